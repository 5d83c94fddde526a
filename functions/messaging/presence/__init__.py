"""Wakes inboxes and announces who left a room, as the streams tell of it."""
