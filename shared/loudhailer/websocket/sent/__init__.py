"""Messages that clients may send again."""
