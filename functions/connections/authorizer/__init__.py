"""Admits or refuses a client, and assigns its partition."""
