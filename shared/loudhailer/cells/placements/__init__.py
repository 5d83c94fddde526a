"""Placements: the cell that each session and player is on."""
