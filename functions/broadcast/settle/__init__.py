"""Settles the outcomes of posts."""
