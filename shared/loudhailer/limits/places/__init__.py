"""Places: how many sessions a tenant, and how many messages an inbox, may hold."""
