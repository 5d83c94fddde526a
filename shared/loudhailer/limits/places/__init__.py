"""Places: the limited numbers of a tenant's sessions and of an inbox's messages."""
