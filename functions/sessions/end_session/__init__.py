"""Closes the connections of a deleted session."""
