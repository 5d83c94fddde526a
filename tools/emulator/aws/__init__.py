"""Starts MiniStack as the project's local AWS, with the gaps closed that Loudhailer would fall into."""
