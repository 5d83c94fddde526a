"""Answers frames that no other route takes."""
