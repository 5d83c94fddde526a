"""Takes what a client says to a player or to a room."""
