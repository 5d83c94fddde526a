"""Queues: sending messages, and handling batches of received ones."""
