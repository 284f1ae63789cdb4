"""I/O without decisions: observing runs, carrying out plans, the one writer of run status."""
