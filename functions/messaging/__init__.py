"""Messaging: direct messages, rooms, and echoes over a queue."""
