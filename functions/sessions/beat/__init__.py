"""Renews the lease of a further cell, and copies the hub's tenants."""
