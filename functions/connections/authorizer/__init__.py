"""Lets a client in, or not, and assigns its partition."""
