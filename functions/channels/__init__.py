"""Channels: subscribing and unsubscribing, and the ends of subscriptions."""
