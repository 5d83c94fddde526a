"""Rooms: who has joined one under which nickname, and what is posted to those in it."""
