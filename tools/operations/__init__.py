"""Commands of an operator on a running stack: look at it, publish, read logs, manage tenants."""
