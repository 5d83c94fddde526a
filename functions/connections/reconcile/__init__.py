"""Deletes expired rows, and repairs counts and totals."""
