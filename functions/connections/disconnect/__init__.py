"""Deletes the row of a connection that closed."""
