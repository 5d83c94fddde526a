"""Tells the hub what has become of its broadcasts in a further cell."""
