"""Rooms: their members with nicknames, and the frames posted to them."""
