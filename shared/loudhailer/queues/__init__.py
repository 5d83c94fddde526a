"""Queues: what is sent to them, and how what they deliver is handled."""
