"""Inboxes: direct messages that wait for their receivers."""
