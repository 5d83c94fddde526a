"""Counts the connections, exactly once."""
