"""Lets a connection into a room."""
