"""A local stack: its directory, its processes, its package of functions, and Terraform, from `up` to `down`."""
