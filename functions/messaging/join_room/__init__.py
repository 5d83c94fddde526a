"""Adds a connection to a room."""
