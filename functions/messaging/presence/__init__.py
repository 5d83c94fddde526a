"""Wakes inboxes and announces leaves of rooms, from the streams of the tables."""
