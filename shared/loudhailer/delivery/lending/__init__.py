"""The lanes' common quota: each kind of lanes has a share of it, and borrows what the others leave idle."""
