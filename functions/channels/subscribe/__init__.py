"""Subscribes connections to channels, and unsubscribes them."""
