"""A real one-node Kubernetes without Docker, for tests and demonstrations.

The package stands beside the executable ``hack/cluster/kind`` and uses the standard library only:
it runs before any virtual environment exists.
"""
