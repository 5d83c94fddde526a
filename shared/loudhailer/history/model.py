"""The head of a channel: the ids of its latest messages, in their order.

An id that is appended to the head has its offset by that. A full head is closed: its ids become a segment, and the head
continues with the next one, which is empty.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from loudhailer.codec import JsonText
from loudhailer.ids import BroadcastId, Channel, Epoch, TenantId

SEGMENT_IDS = 32
"""Most ids of a segment: with ids of 64 characters a head has 2.5 KB, so that an append costs 3 write units."""

HEAD_KEPT_SECONDS = 30 * 24 * 3600
"""Seconds for which a head is kept after its last message: until no summary without an offset is left. Otherwise the
same request would get a second offset in a new head."""

TTL_DELAY_SECONDS = 7 * 24 * 3600
"""Seconds for which DynamoDB may keep an expired row; AWS says "a few days".
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html"""

KEPT_LONGER_SECONDS = 24 * 3600
"""Seconds for which segments and publications are kept beyond the time of the setting, which readers look at."""


class Position(NamedTuple):
    """The place of a message in its channel: offsets of an epoch begin at 1 and have no gap."""

    epoch: Epoch
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The latest messages of a channel.

    Attributes:
        epoch: one life of the sequence; random.
        generation: when the setting's history began, in epoch seconds; a later one begins a new epoch.
        segment: number of the segment that its ids are.
        ids: the messages' ids, in order.
        made_at: when the epoch began, in epoch milliseconds.
    """

    epoch: Epoch
    generation: int
    made_at: int
    segment: int = 0
    ids: tuple[BroadcastId, ...] = ()

    @property
    def last(self) -> int:
        """The offset of the last message; 0 if there was none."""
        return SEGMENT_IDS * self.segment + len(self.ids)

    @property
    def is_full(self) -> bool:
        """Tell whether no further id has room."""
        return len(self.ids) >= SEGMENT_IDS

    def positions(self) -> dict[BroadcastId, Position]:
        """The positions of its ids, in order."""
        first = SEGMENT_IDS * self.segment + 1
        return {one: Position(self.epoch, offset) for offset, one in enumerate(self.ids, first)}

    def next_segment(self) -> "Head":
        """The head of the same epoch after this segment is closed."""
        return replace(self, segment=self.segment + 1, ids=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A message that is kept, as its frame has it; `published_at` in epoch milliseconds."""

    tenant: TenantId
    broadcast_id: BroadcastId
    channel: Channel
    message: JsonText
    published_at: int
