"""Fixes the sources of a broadcast."""
