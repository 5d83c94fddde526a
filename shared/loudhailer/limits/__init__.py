"""Limits: attempts and posts of a minute, totals of connections, places."""
