"""Accepts a broadcast and puts it on the topic."""
