"""Tell the members of a room who has left it, whatever the cause.

A connection has left when its row is gone (by `$disconnect`, the end of its session, its time, a 410) or names another
room, or another nickname. What happens in one batch of the stream is told to each member in order, all members of all
rooms side by side. It is told as well as can be: once, within a few seconds, not about what is old news by now, and not
in large rooms, see `SMALL_ROOM`. Nothing that goes wrong here keeps the stream from going on.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import takewhile
from typing import NamedTuple, Self

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey
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
from loudhailer.websocket.replies import Speaker, left_frame

NEWS_SECONDS = 60
"""A leave that is older is not told any more: the stream was held up, or is being read again."""

ANNOUNCING_SECONDS = 2.0
"""Longest time that one batch's announcements may take; the stream waits for them."""


class _Leave(NamedTuple):
    """A connection, and what it is in no longer."""

    key: ConnectionKey
    membership: Membership
    player: PlayerId | None

    @property
    def speaker(self) -> Speaker:
        """The member that has left, as others see it."""
        return Speaker(self.key.connection_id, self.player)


class Leaves:
    """Announces the leaves of a batch; `rooms_of` gives the rooms of a tenant."""

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
        """Tell who has left; return when all are told, or the time is over."""
        deadline = Deadline.after(ANNOUNCING_SECONDS, self._monotonic)
        leaves, now_in = _read(records, since=self._clock() - NEWS_SECONDS)
        by_room: defaultdict[tuple[TenantId, RoomKey], list[_Leave]] = defaultdict(list)
        for leave in leaves:
            by_room[ids.tenant_of(leave.key.partition), leave.membership.room].append(leave)
        frames: defaultdict[ConnectionId, list[bytes]] = defaultdict(list)
        members: dict[ConnectionId, ConnectionKey] = {}
        for (tenant, room), left in by_room.items():
            announcements = [left_frame(*leave.membership, leave.speaker).encode() for leave in left]
            for member in self._members(tenant, room, {leave.key for leave in left}, deadline):
                if now_in.get(member, room) == room:
                    frames[member.connection_id] += announcements
                    members[member.connection_id] = member
        if frames:
            outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=deadline.seconds_left)
            self._remove([members[one] for one, ended in outcomes.items() if Outcome.GONE in ended], deadline)

    def _remove(self, gone: Iterable[ConnectionKey], deadline: Deadline) -> None:
        """Remove members that are gone, as far as there is time; the next frame to the room meets the others."""
        for member in takewhile(lambda _: not deadline.is_over(), gone):
            remove_gone(self._rooms_of(ids.tenant_of(member.partition)), [member])

    def _members(
        self, tenant: TenantId, room: RoomKey, left: set[ConnectionKey], deadline: Deadline
    ) -> Iterable[ConnectionKey]:
        """Everyone who was in the room before; nobody if it was large, or cannot be read now."""
        if deadline.is_over():
            count("LeaveNotAnnounced", len(left))
            return ()
        try:
            members = left.union(self._rooms_of(tenant).members(tenant, room, limit=SMALL_ROOM + 1))
        except TransientError:
            count("LeaveNotAnnounced", len(left))
            logger.exception("leaves not announced", tenant_id=tenant)
            return ()
        return members if len(members) <= SMALL_ROOM else ()


class _Change(NamedTuple):
    """A change of a connection's row: the member it was, and the member it is."""

    key: ConnectionKey
    was: Membership | None
    now: Membership | None
    player: PlayerId | None

    @classmethod
    def of(cls, record: StreamRecord) -> Self:
        """The change that a record of the stream tells."""
        player = record.old.get("playerId", {}).get("S")
        return cls(
            ConnectionKey(
                ids.partition(record.keys["partition"]["S"]), ids.connection_id(record.keys["connectionId"]["S"])
            ),
            membership_of(record.old),
            membership_of(record.new),
            player and PlayerId(player),
        )


def _read(records: Iterable[StreamEvent], *, since: float) -> tuple[list[_Leave], dict[ConnectionKey, RoomKey | None]]:
    """The leaves among the records, and which room each connection is in after the last of them; not older ones."""

    def news(record: StreamRecord) -> _Change | None:
        return _Change.of(record) if record.created_at >= since else None

    leaves: list[_Leave] = []
    now_in: dict[ConnectionKey, RoomKey | None] = {}
    for change in parsed(records, news, is_counted=False):  # `accounting` reads the same stream, and counts
        now_in[change.key] = change.now.room if change.now else None
        if change.was and change.was != change.now:
            leaves.append(_Leave(change.key, change.was, change.player))
    return leaves, now_in
