"""Announce to the members of a room that another member has left it.

A connection has left when its row is gone (after a `$disconnect`, the end of its session, its TTL or a 410), or when
the row names another room or nickname. Members receive the changes of one batch in order; rooms and members are served
in parallel. Announcements are best effort: sent once, within a few seconds, not for old changes and not in large rooms,
see `SMALL_ROOM`. A failure here never stops the stream.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import NamedTuple, Self

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey, Speaker
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import TransientError
from loudhailer.ids import ConnectionId, PlayerId, RoomKey, TenantId
from loudhailer.observability import count, logger
from loudhailer.rooms.model import SMALL_ROOM, Membership, membership_of
from loudhailer.rooms.port import RoomStore
from loudhailer.rooms.stale import remove_gone
from loudhailer.streams.records import StreamEvent, StreamRecord, parsed
from loudhailer.websocket.replies import left_frame

LONGEST_LEAVE_AGE_SECONDS = 60
"""Age in seconds from which a leave is not announced: the stream was delayed, or is being read again."""

ANNOUNCING_SECONDS = 2.0
"""Longest time in seconds for one batch's announcements; the stream waits for them."""


class _Leave(NamedTuple):
    """A connection, and the membership that it had."""

    key: ConnectionKey
    membership: Membership
    player: PlayerId | None

    @property
    def speaker(self) -> Speaker:
        """Return the member that has left, as other members see it."""
        return Speaker(self.key.connection_id, self.player)


class Leaves:
    """Announces the leaves of a batch; `rooms_of` returns the store of a tenant's rooms."""

    def __init__(
        self,
        rooms_of: Callable[[TenantId], RoomStore],
        sender: OrderedSender,
        *,
        endpoint: str,
        clock: Callable[[], float],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rooms_of = rooms_of
        self._sender = sender
        self._endpoint = endpoint
        self._clock = clock
        self._monotonic = monotonic

    def __call__(self, records: Iterable[StreamEvent]) -> None:
        """Announce the leaves; return when all are sent, or time has run out."""
        deadline = Deadline.after(ANNOUNCING_SECONDS, self._monotonic)
        leaves, room_after = _leaves_and_rooms(records, since=self._clock() - LONGEST_LEAVE_AGE_SECONDS)
        by_room: defaultdict[tuple[TenantId, RoomKey], list[_Leave]] = defaultdict(list)
        for leave in leaves:
            by_room[ids.tenant_of(leave.key.partition), leave.membership.room].append(leave)
        frames: defaultdict[ConnectionId, list[bytes]] = defaultdict(list)
        members: dict[ConnectionId, ConnectionKey] = {}
        for (tenant, room), leaves_of_room in by_room.items():
            announcements = [left_frame(*leave.membership, leave.speaker).encode() for leave in leaves_of_room]
            for member in self._members(tenant, room, {leave.key for leave in leaves_of_room}, deadline):
                if room_after.get(member, room) == room:
                    frames[member.connection_id] += announcements
                    members[member.connection_id] = member
        if frames:
            outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=deadline.seconds_left)
            self._remove([members[one] for one, ended in outcomes.items() if Outcome.GONE in ended], deadline)

    def _remove(self, gone: Iterable[ConnectionKey], deadline: Deadline) -> None:
        """Remove members that are gone while there is time; the next frame to the room finds the others."""
        for member in takewhile(lambda _: not deadline.is_over(), gone):
            remove_gone(self._rooms_of(ids.tenant_of(member.partition)), [member])

    def _members(
        self, tenant: TenantId, room: RoomKey, leavers: set[ConnectionKey], deadline: Deadline
    ) -> Iterable[ConnectionKey]:
        """Return the members that were in the room before; nobody if it was large, or cannot be read now."""
        if deadline.is_over():
            count("LeaveNotAnnounced", len(leavers))
            return ()
        try:
            members = leavers.union(self._rooms_of(tenant).members(tenant, room, limit=SMALL_ROOM + 1))
        except TransientError:
            count("LeaveNotAnnounced", len(leavers))
            logger.exception("leaves not announced", tenant_id=tenant)
            return ()
        return members if len(members) <= SMALL_ROOM else ()


class _Change(NamedTuple):
    """A change of a connection's row: its membership before and after."""

    key: ConnectionKey
    before: Membership | None
    after: Membership | None
    player: PlayerId | None

    @classmethod
    def of(cls, record: StreamRecord) -> Self:
        """Read the change from a stream record."""
        player = record.old.get("playerId", {}).get("S")
        return cls(
            ConnectionKey(
                ids.partition(record.keys["partition"]["S"]), ids.connection_id(record.keys["connectionId"]["S"])
            ),
            membership_of(record.old),
            membership_of(record.new),
            player and PlayerId(player),
        )


def _leaves_and_rooms(
    records: Iterable[StreamEvent], *, since: float
) -> tuple[list[_Leave], dict[ConnectionKey, RoomKey | None]]:
    """Return the leaves among the records that are not too old, and each connection's room after the last record."""

    def recent(record: StreamRecord) -> _Change | None:
        return _Change.of(record) if record.created_at >= since else None

    leaves: list[_Leave] = []
    room_after: dict[ConnectionKey, RoomKey | None] = {}
    for change in parsed(records, recent, is_counted=False):  # `accounting` reads the same stream, and counts
        room_after[change.key] = change.after.room if change.after else None
        if change.before and change.before != change.after:
            leaves.append(_Leave(change.key, change.before, change.player))
    return leaves, room_after
