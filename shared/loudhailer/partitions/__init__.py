"""Partitions: groups of an audience's connections, each counted exactly."""
