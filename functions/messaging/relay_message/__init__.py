"""Delivers the messages of an inbox to all its player's connections."""
