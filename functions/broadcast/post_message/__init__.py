"""Posts a chunk's frame to its connections."""
