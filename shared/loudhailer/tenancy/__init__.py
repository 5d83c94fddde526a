"""Tenancy: tenants, their sessions, and the limits that they are held to."""
