"""Limits: attempts and posts of a minute, totals of connections, places, the line of new connections."""
