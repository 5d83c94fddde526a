"""Subscriptions of connections to channels, and the members that they make."""
