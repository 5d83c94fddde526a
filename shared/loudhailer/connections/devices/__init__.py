"""Devices: the connections of a player."""
