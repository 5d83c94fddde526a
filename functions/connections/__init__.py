"""Connections: admission, their rows, and exact counts of them."""
