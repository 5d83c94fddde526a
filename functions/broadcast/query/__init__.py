"""Fixes the recipients of a source."""
