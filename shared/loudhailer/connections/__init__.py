"""Connections: their rows, and the partitions that they are spread over."""
