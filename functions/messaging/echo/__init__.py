"""Returns messages to the silo or the pool to all connections of their session."""
