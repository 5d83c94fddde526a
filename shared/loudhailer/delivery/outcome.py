"""Outcomes of a post to a connection."""

from enum import Enum, auto


class Outcome(Enum):
    """The outcome of one post. Outcomes are values, not exceptions: in a large crowd all of them are normal."""

    DELIVERED = auto()
    """API Gateway accepted the post."""
    GONE = auto()
    """410: there is no such connection, or its handshake is not complete."""
    REJECTED = auto()
    """400 or 413: API Gateway will never accept the frame."""
    THROTTLED = auto()
    """429 at every try, for an unknown reason: presumably the account's quota is used up."""
    SLOW = auto()
    """429 again and again while the account accepted other posts: the client does not read, so its buffer is full."""
    FAILED = auto()
    """5xx, 403, a timeout or a reset: it may succeed later."""
    UNSENT = auto()
    """Time ran out before the post was sent or answered."""


BY_STATUS = {
    200: Outcome.DELIVERED,
    204: Outcome.DELIVERED,
    400: Outcome.REJECTED,
    410: Outcome.GONE,
    413: Outcome.REJECTED,
    429: Outcome.THROTTLED,
}
"""The outcome of a post by the status of its answer; any other is FAILED."""
