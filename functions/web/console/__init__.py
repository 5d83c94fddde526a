"""The web page: sessions, rooms, messages and broadcasts in a browser."""
