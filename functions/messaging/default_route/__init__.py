"""Answers a frame that no route takes."""
