"""The thin edge to kopf: events in, keys out. Decides nothing and waits for nothing."""
