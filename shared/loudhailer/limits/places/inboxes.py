"""The places of an inbox: one is taken before a message is put into it."""

from loudhailer.inbox.model import Inbox
from loudhailer.inbox.port import InboxStore
from loudhailer.limits.places.model import inbox_of, take_place
from loudhailer.limits.places.port import PlaceStore

_KEPT_SECONDS = 7 * 24 * 3600
"""Time for which an inbox's places outlive its last message. DynamoDB deletes what has expired within days, in any
order, and a tenant's erasure finds its inboxes by their places: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html"""


def take_place_in(
    inbox: Inbox, inboxes: InboxStore, places: PlaceStore, maximum: int, *, now: int, expires_at: int
) -> bool:
    """Take a place for a message that expires at `expires_at`; return False if the inbox seems to be full.

    Raises:
        TransientError: it is not known whether a place was taken.
    """
    return take_place(
        places,
        inbox_of(*inbox),
        maximum,
        rows=lambda: inboxes.count(inbox),
        now=now,
        expires_at=expires_at + _KEPT_SECONDS,
    )
