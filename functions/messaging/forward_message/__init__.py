"""Brings direct messages to the cell that their receiver is on."""
