"""Measures what the operator adds to bare Jobs, on a cluster of its own: `make bench`."""
