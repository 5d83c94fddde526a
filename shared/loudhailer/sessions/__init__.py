"""Sessions of clients."""
