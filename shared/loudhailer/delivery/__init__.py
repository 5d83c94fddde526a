"""Delivery: posting one payload to many connections at the rate that the quota allows."""
