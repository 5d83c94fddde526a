"""Partitions: groups of a tenant's connections, each counted exactly."""
