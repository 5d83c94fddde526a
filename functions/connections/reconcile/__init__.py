"""Deletes what has expired, and repairs counts and totals."""
