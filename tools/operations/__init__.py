"""What an operator does with a running stack: look at it, publish, read logs, manage tenants."""
