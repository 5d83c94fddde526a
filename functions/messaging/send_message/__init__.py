"""Takes a client's message to a player or to a room."""
