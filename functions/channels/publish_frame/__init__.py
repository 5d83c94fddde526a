"""Publishes clients' messages to channels."""
