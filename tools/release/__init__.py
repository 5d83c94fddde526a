"""From an image to every account: manifests, plans, the shift of traffic, waves, rollback."""
