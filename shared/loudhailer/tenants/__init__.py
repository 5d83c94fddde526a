"""Tenants: their limits, and tombstones of erased ones."""
