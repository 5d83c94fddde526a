"""What a member says reaches everyone in the room, the one who says it too.

Only members have a say, under the nickname that their row has: what the frame says of it is not trusted. In a small
room it is posted to the members directly, side by side, so that a slow one delays nobody else. In a large one it goes
the way of a broadcast, which keeps to the account's quota, tries again for minutes, and has a report.

Members are found by an index that lags behind the rows by as little as a fraction of a second: who has joined just now
may miss what is said in it. A member's handshake was over when it joined, so a 410 is believed at once: its row is
deleted, and the stream makes a leave of that, as of every other way to go.
"""

import hashlib
from collections.abc import Iterable

from loudhailer import ids
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import InRoom
from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.connections.model import ConnectionKey
from loudhailer.conversation.caller import Caller
from loudhailer.conversation.exchange import Frame
from loudhailer.conversation.frames import said_ack_frame, said_frame
from loudhailer.conversation.model import message_id
from loudhailer.conversation.once import CLIENT_MESSAGE_ID, Once
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import BroadcastId, ClientMessageId, RoomKey, TenantId
from loudhailer.observability import count, logger
from loudhailer.rooms.model import SMALL_ROOM, NickName
from loudhailer.rooms.port import RoomStore

MAX_CONTENT = 4_096
"""Characters; whatever they are, the frame is far smaller than the 128 KB that API Gateway delivers."""

POST_SECONDS = 3.0
"""How long members whose posts fail or are throttled are tried again."""


class SayInRoom:
    """Lets a member say something to its room: the respond of frames that have a `roomKey`."""

    def __init__(
        self,
        rooms: RoomStore,
        sender: OrderedSender,
        broadcasts: BroadcastStore,
        announce: Announcer,
        once: Once,
        *,
        endpoint: str,
    ) -> None:
        self._rooms = rooms
        self._sender = sender
        self._broadcasts = broadcasts
        self._announce = announce
        self._once = once
        self._endpoint = endpoint

    def __call__(self, caller: Caller, frame: Frame) -> str | None:
        """An acknowledgement once it is said, if the client gave it an id, else nothing; a blank content is not said.

        One who is not in the room gets an error frame.
        """
        room, content = ids.room_key(frame.get("roomKey")), _content(frame.get("content"))
        if not content.strip():
            return None
        membership = self._rooms.membership(caller.key)
        if membership is None or membership.room != room:
            count("FrameRefused")
            return caller.refusal("NOT_IN_ROOM", "join the room before you speak in it")
        nickname, again = membership.nickname, frame.get(CLIENT_MESSAGE_ID)
        first = self._once(caller, frame, lambda first: self._say(first, room, nickname, content, again))
        if again is None:
            return None
        return said_ack_frame(message_id(first.received_at, first.request_id), room, again)

    def _say(
        self, first: Caller, room: RoomKey, nickname: NickName, content: str, again: ClientMessageId | None
    ) -> None:
        said_as = message_id(first.received_at, first.request_id) if again else None
        said = said_frame(room, nickname, content, first.received_at, said_as)
        members = {first.key, *self._rooms.members(first.tenant_id, room, limit=SMALL_ROOM + 1)}
        if len(members) > SMALL_ROOM:
            broadcast_id = ids.derived_broadcast_id(first.received_at, said_as) if said_as else ids.new_broadcast_id()
            self._broadcast(broadcast_id, first.tenant_id, room, said, first.received_at)
        else:
            self._post(members, said)
        count("RoomMessageSent")

    def _post(self, members: Iterable[ConnectionKey], said: str) -> None:
        keys = {key.connection_id: key for key in members}
        frames = dict.fromkeys(keys, (said.encode(),))
        outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=POST_SECONDS)
        for connection, (outcome,) in outcomes.items():
            if outcome is Outcome.GONE:
                self._remove(keys[connection])
            elif outcome is not Outcome.DELIVERED:
                count("RoomPostFailed")
                logger.warning("a member did not get what was said", member=connection, outcome=outcome.name)

    def _remove(self, member: ConnectionKey) -> None:
        try:
            self._rooms.remove(member)
        except TransientError:  # the others have heard it: that must not be said to have failed
            logger.exception("a stale connection is left", member=member.connection_id)
        else:
            count("StaleConnectionDeleted")

    def _broadcast(self, broadcast_id: BroadcastId, tenant: TenantId, room: RoomKey, said: str, said_at: int) -> None:
        summary = Summary(
            broadcast_id=broadcast_id,
            audience=InRoom(tenant, room),
            content_hash=hashlib.sha256(said.encode()).hexdigest(),
            published_at=said_at,
        )
        recorded = self._broadcasts.record(summary)
        if not recorded.announced:
            self._announce(recorded, said)


def _content(value: object) -> str:
    if not isinstance(value, str) or len(value) > MAX_CONTENT:
        raise InvalidFieldError("content", f"must be a text of at most {MAX_CONTENT} characters")
    return value
