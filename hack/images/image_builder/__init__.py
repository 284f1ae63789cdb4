"""Image builder: a catalogue, two backends (buildah, Docker), a content-addressed cache."""
