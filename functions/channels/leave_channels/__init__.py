"""Ends subscriptions, and removes their members."""
