"""The time that a broadcast takes while nothing else is broadcast."""

from math import ceil

from loudhailer.broadcast.search import size_of_chunks

START_SECONDS = 0.15
"""Seconds from the answer to the first post, for a broadcast that takes the long way."""

EXPRESS_START_SECONDS = 0.05
"""Seconds from the answer to the first post, on the short path."""


def estimated_seconds(recipients: int, *, posts_per_second: float, lanes: int, chunk_size: int) -> float:
    """Return the seconds from publishing until the last recipient has a broadcast that takes the long way.

    Each lane posts one chunk after the other. At the end some lanes are idle, while the others post their last chunk.

    Args:
        recipients: their number.
        posts_per_second: the rate of all lanes together.
        lanes: the number of lanes.
        chunk_size: the recipients that a chunk may have.
    """
    size = max(1, min(recipients, size_of_chunks(recipients, lanes=lanes, most=chunk_size)))
    rounds = ceil(ceil(recipients / size) / lanes)
    return START_SECONDS + rounds * size * lanes / posts_per_second


def estimated_express_seconds(recipients: int, *, posts_per_second: float) -> float:
    """Return the seconds for a broadcast that takes the short path; `posts_per_second` is the rate of all lanes."""
    return EXPRESS_START_SECONDS + recipients / posts_per_second
