"""Broadcast: from publishing a message to the report of its delivery."""
