"""The stores of a channel's order and of its messages, as use cases need them.

Every method may raise TransientError: the store did not answer, and the same call may succeed later. Reads are
consistent. `expires_at` is in epoch seconds.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from loudhailer.history.model import Head, Position, Publication
from loudhailer.ids import BroadcastId, ChannelKey, Epoch, TenantId


class HistoryStore(Protocol):
    """The heads and the closed segments of all channels."""

    def head(self, channel: ChannelKey) -> Head | None:
        """The channel's head; None if there is none."""

    def begin(self, channel: ChannelKey, head: Head, expires_at: int) -> Head:
        """Put the head if the channel has none; return the one that it has then."""

    def append(self, channel: ChannelKey, head: Head, message: BroadcastId, expires_at: int) -> Head | None:
        """Append the id; return the head as it is then, None if there is none.

        Nothing is appended if the head is of another epoch or segment by now, is full, or has the id. So the id has an
        offset if the returned head has it.
        """

    def keep_segment(self, channel: ChannelKey, head: Head, expires_at: int) -> None:
        """Put the head's ids as a closed segment, in place of one with fewer ids; one with as many or more stays.

        Several functions may close a head at once, and one of them may have read it before its last id came.
        """

    def move(self, channel: ChannelKey, head: Head, to: Head) -> None:
        """Replace the head; change nothing if its epoch, segment or number of ids is another by now."""

    def segments(self, channel: ChannelKey, epoch: Epoch, first: int, last: int) -> Mapping[int, Sequence[BroadcastId]]:
        """The ids of the closed segments with numbers from `first` to `last`; missing ones are omitted."""

    def forget(self, tenant: TenantId) -> int:
        """Delete all heads and segments of an erased tenant; return their number.

        This reads all tenants' rows, and is meant for an operator who erases a tenant.
        """


class PublicationStore(Protocol):
    """The messages that are kept."""

    def put(self, publication: Publication, expires_at: int) -> None:
        """Keep the message; one with the same id is replaced."""

    def of(self, tenant: TenantId, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Publication]:
        """The messages that are kept; missing ones are omitted."""

    def forget(self, tenant: TenantId) -> int:
        """Delete all messages of an erased tenant, as `HistoryStore.forget` does; return their number."""


class PositionNotes(Protocol):
    """The positions that are noted with messages, in their summaries."""

    def positions_of(self, messages: Iterable[BroadcastId]) -> Mapping[BroadcastId, Position | None]:
        """The noted positions, None where none is noted; a message whose summary is gone is omitted."""

    def note_position(self, message: BroadcastId, position: Position) -> None:
        """Note the message's position; a summary that is gone is not made again."""
