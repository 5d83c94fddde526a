"""Reports a further cell's part of each broadcast to the hub."""
