"""Outcomes of a post to a connection."""

from enum import Enum, auto


class Outcome(Enum):
    """The outcome of one post. Outcomes are values: nothing here is exceptional when a crowd is large."""

    DELIVERED = auto()
    """The gateway took it."""
    GONE = auto()
    """410: there is no such connection, or its handshake is not over."""
    REJECTED = auto()
    """400 or 413: the gateway will never take it."""
    THROTTLED = auto()
    """429, as often as it was tried, and no telling why: the account's quota is used up, as far as can be seen."""
    SLOW = auto()
    """429 again and again while the account let others in: the client does not read, so its buffer is full."""
    FAILED = auto()
    """5xx, 403, a timeout, a reset: it may work later."""
    UNSENT = auto()
    """The time was over before it could be sent, or before it was answered."""


BY_STATUS = {
    200: Outcome.DELIVERED,
    204: Outcome.DELIVERED,
    400: Outcome.REJECTED,
    410: Outcome.GONE,
    413: Outcome.REJECTED,
    429: Outcome.THROTTLED,
}
"""The outcome of a post by the status of its answer; any other is FAILED."""
