"""Send a member's message to every member of the room, the speaker included.

Only members may speak. Their nickname is read from their row; the frame's own is not trusted. In a small room the
message is posted to the members directly and in parallel, so a slow member delays nobody else. In a large room it is
sent as a broadcast, which keeps to the account's quota, is repeated for minutes and has a report. It uses lanes of its
own with lower priority.

A member of a small room that does not take a message within a few seconds is closed, through the queue of connections'
ends. Its client then reconnects and knows that it missed something. A member that was refused, perhaps because of the
account's throttle, is posted to once more a second later: a client that reads is not closed for the account.

Both kinds of rooms use their tenant's budget of posts: see `PostBudget`.

Members are found by an index that follows the rows within a fraction of a second: a member that has just joined may
miss a message. A member that is gone is removed: see `loudhailer/rooms/stale.py`.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loudhailer import codec, ids
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import InRoom
from loudhailer.broadcast.model import Priority, Summary
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.codec import JsonText
from loudhailer.connections.ends import End, group_of
from loudhailer.connections.model import ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.delivery.throttling import REST_SECONDS
from loudhailer.errors import ErrorCode, InvalidFieldError
from loudhailer.ids import BroadcastId, ConnectionId, RoomKey, TenantId
from loudhailer.inbox.model import message_id
from loudhailer.limits.posts import PostBudget
from loudhailer.observability import count, logger
from loudhailer.queues.port import Queue
from loudhailer.rooms.model import SMALL_ROOM, NickName
from loudhailer.rooms.port import RoomStore
from loudhailer.rooms.stale import remove_gone
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.once import CLIENT_MESSAGE_ID, Once
from loudhailer.websocket.replies import room_ack_frame, room_message_frame, throttle_frame

MAX_CONTENT = 4_096
"""Most characters of a message to a room: its frame is far smaller than the 128 KB that API Gateway delivers."""

POST_SECONDS = 3.0
"""Time in seconds in which failed posts are repeated; a refused post is repeated a few times only, see `Throttling`."""

_SIZE_SECONDS = 10
_SIZES = 1_000


@dataclass(frozen=True, slots=True)
class _RoomMessage:
    """A member's message and its room; its ids stay the same when the client sends it again."""

    room: RoomKey
    nickname: NickName
    content: JsonText
    may_be_repeated: bool

    def frame(self, first: Caller) -> str:
        """Return the frame that the members receive."""
        repeatable_id = message_id(first.received_at, first.request_id) if self.may_be_repeated else None
        return room_message_frame(
            self.room, self.nickname, self.content, first.received_at, first.speaker, message_id=repeatable_id
        )

    def broadcast_id(self, first: Caller) -> BroadcastId:
        """The id of the broadcast to a large room."""
        if not self.may_be_repeated:
            return ids.new_broadcast_id()
        return ids.derived_broadcast_id(first.received_at, message_id(first.received_at, first.request_id))


class SmallRoom:
    """Posts frames to the members of small rooms.

    `pause` waits for that many seconds; `monotonic` returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        rooms: RoomStore,
        sender: OrderedSender,
        ends: Queue,
        *,
        endpoint: str,
        pause: Callable[[float], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rooms = rooms
        self._sender = sender
        self._ends = ends
        self._endpoint = endpoint
        self._pause = pause
        self._monotonic = monotonic

    def post(self, tenant: TenantId, members: Iterable[ConnectionKey], frame: str) -> None:
        """Post the frame to the members; remove the ones that are gone, and have the ones that miss it closed."""
        keys = {key.connection_id: key for key in members}
        ends: list[End] = []
        for connection, outcome in self._outcomes(keys, frame.encode()).items():
            if outcome is Outcome.GONE:
                remove_gone(self._rooms, [keys[connection]])
            elif outcome is not Outcome.DELIVERED:
                count("RoomPostFailed")
                logger.warning("a member did not get a room's message", member=connection, outcome=outcome.name)
                if outcome is not Outcome.REJECTED:
                    ends.append(End(keys[connection], close=True))
        if ends:
            self._ends.send_all((end.to_body() for end in ends), group=group_of(tenant))

    def _outcomes(self, connections: Iterable[ConnectionId], frame: bytes) -> dict[ConnectionId, Outcome]:
        """Post the frame, and once more to connections that the account's throttle may have refused, if time allows."""
        deadline = Deadline.after(POST_SECONDS, self._monotonic)
        outcomes = self._post_once(connections, frame, deadline)
        throttled = [connection for connection, outcome in outcomes.items() if outcome is Outcome.THROTTLED]
        if throttled and not deadline.is_over(within=REST_SECONDS):
            self._pause(REST_SECONDS)
            outcomes |= self._post_once(throttled, frame, deadline)
        return outcomes

    def _post_once(
        self, connections: Iterable[ConnectionId], frame: bytes, deadline: Deadline
    ) -> dict[ConnectionId, Outcome]:
        frames = dict.fromkeys(connections, (frame,))
        outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=deadline.seconds_left)
        return {connection: outcome for connection, (outcome,) in outcomes.items()}


class SendToRoom:
    """Sends a member's message to its room; answers frames that have a `roomKey`."""

    def __init__(
        self,
        rooms: RoomStore,
        small_room: SmallRoom,
        posts: PostBudget,
        broadcasts: BroadcastStore,
        announce: Announcer,
        *,
        once: Once,
    ) -> None:
        self._rooms = rooms
        self._small_room = small_room
        self._posts = posts
        self._broadcasts = broadcasts
        self._announce = announce
        self._once = once
        self._sizes: dict[RoomKey, tuple[int, int]] = {}

    def __call__(self, caller: Caller, frame: Frame) -> str | None:
        """Send the message, unless it is blank; return an acknowledgement if the client gave it an id.

        An error frame is returned if the sender is not in the room, or if the budget of posts is used up.
        """
        room, content = ids.room_key(frame.get("roomKey")), _content(frame)
        if content is None:
            return None
        membership = self._rooms.membership(caller.key)
        if membership is None or membership.room != room:
            count("FrameRefused")
            return caller.refusal(ErrorCode.NOT_IN_ROOM, "join the room before you speak in it")
        message = _RoomMessage(room, membership.nickname, content, may_be_repeated=CLIENT_MESSAGE_ID in frame)
        first, refusal = self._once(caller, frame, lambda first: self._send(caller, first, message))
        if refusal or not message.may_be_repeated:
            return refusal
        return room_ack_frame(message_id(first.received_at, first.request_id), room, frame[CLIENT_MESSAGE_ID])

    def _send(self, caller: Caller, first: Caller, message: _RoomMessage) -> str | None:
        """Send the message as of the first attempt; return the frame that refuses it if the budget is used up."""
        room = message.room
        members = self._members_of_small(caller, room)
        size = self._size(caller, room) if members is None else len(members)
        if not self._posts.take(caller.tenant_id, caller.session_id, size, budget=caller.posts_per_minute):
            return throttle_frame(caller.key.connection_id, caller.request_id)
        if members is None:
            self._broadcast(
                message.broadcast_id(first), caller.tenant_id, room, message.frame(first), first.received_at
            )
        else:
            self._small_room.post(caller.tenant_id, members, message.frame(first))
        count("RoomMessageSent")
        return None

    def _members_of_small(self, caller: Caller, room: RoomKey) -> set[ConnectionKey] | None:
        """Return the members of a small room, the caller included; None for a room that is, or was just now, large.

        The size of a large room is cached: otherwise each message of a crowd would read a hundred keys.
        """
        if self._known_size(caller, room) is not None:
            return None
        members = {caller.key, *self._rooms.members(caller.tenant_id, room, limit=SMALL_ROOM + 1)}
        return members if len(members) <= SMALL_ROOM else None

    def _known_size(self, caller: Caller, room: RoomKey) -> int | None:
        """Return the cached size of a large room, if it was counted in the last ten seconds."""
        size, at = self._sizes.get(room, (0, 0))
        return size if caller.received_at // 1_000 - at < _SIZE_SECONDS else None

    def _size(self, caller: Caller, room: RoomKey) -> int:
        """Return the size of a large room, at most ten seconds old; it is counted only up to the budget."""
        size = self._known_size(caller, room)
        if size is None:
            size = self._rooms.size(caller.tenant_id, room, limit=self._posts.share(caller.posts_per_minute) + 1)
            if len(self._sizes) >= _SIZES:
                self._sizes.clear()
            self._sizes[room] = size, caller.received_at // 1_000
        return size

    def _broadcast(self, broadcast_id: BroadcastId, tenant: TenantId, room: RoomKey, frame: str, sent_at: int) -> None:
        summary = Summary(
            broadcast_id=broadcast_id,
            audience=InRoom(tenant, room),
            content_hash=hashlib.sha256(frame.encode()).hexdigest(),
            published_at=sent_at,
        )
        recorded = self._broadcasts.record(summary)
        if not recorded.announced:
            self._announce(recorded, frame, priority=Priority.LOW)


def _content(frame: Frame) -> JsonText | None:
    """Return the frame's content as its client wrote it; None if it is blank."""
    written: JsonText = frame.get("content", "null")
    text = codec.decode(written)
    if not isinstance(text, str) or len(text) > MAX_CONTENT:
        raise InvalidFieldError("content", f"must be a text of at most {MAX_CONTENT} characters")
    return written if text.strip() else None
