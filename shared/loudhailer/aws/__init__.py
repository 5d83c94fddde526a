"""AWS: clients, errors, conditional writes, batches, credentials of one tenant."""
