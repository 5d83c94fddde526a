"""Closes the connections of a session that is gone."""
