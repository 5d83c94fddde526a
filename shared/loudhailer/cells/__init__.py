"""The cells of a deployment: their declarations, and the leases that they write."""
