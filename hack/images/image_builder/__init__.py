"""Image builder: a catalogue of images, two backends (buildah, Docker) and a content-addressed cache."""
