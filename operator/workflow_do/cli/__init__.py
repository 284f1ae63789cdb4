"""The command line: `kubectl workflow`."""
