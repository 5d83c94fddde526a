"""Snapshots: the reports that further cells put at the hub."""
