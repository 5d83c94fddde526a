"""A connection joins a room under a nickname; being in another one, it leaves that.

The one who joins is always told so, by the answer to its frame. Everyone else in a small room is told too; in a large
one nobody is: see `SMALL_ROOM`. To join again as the same changes nothing and is told to nobody else; to join again
under another nickname is to leave and to join. The leaves are announced by `presence`, which sees the row change.
"""

from loudhailer import ids
from loudhailer.conversation.caller import Caller
from loudhailer.conversation.exchange import Frame
from loudhailer.conversation.frames import CONNECTION_OVER, joined_frame
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import TransientError
from loudhailer.observability import count, logger
from loudhailer.rooms.model import SMALL_ROOM, Membership, nickname
from loudhailer.rooms.port import RoomStore

POST_SECONDS = 1.0
"""How long the others in the room are tried again: that long, at most, the answer may have to wait."""


class JoinRoom:
    """Lets a caller into a room: the respond of the route `joinroom`."""

    def __init__(self, rooms: RoomStore, sender: OrderedSender, *, endpoint: str) -> None:
        self._rooms = rooms
        self._sender = sender
        self._endpoint = endpoint

    def __call__(self, caller: Caller, frame: Frame) -> str:
        """The frame that says who joined which room; an error frame if the connection is no longer recorded."""
        membership = Membership(ids.room_key(frame.get("roomKey")), nickname(frame.get("nickName")))
        joined = self._rooms.join(caller.key, membership)
        if joined is None:
            count("FrameRefused")
            return caller.refusal(*CONNECTION_OVER)
        announcement = joined_frame(*membership)
        if joined.former != membership:
            count("RoomJoined")
            try:
                self._announce(caller, membership, announcement)
            except TransientError:  # the row stands: the one who joined must not be told that it failed
                count("JoinNotAnnounced")
                logger.exception("the join is not announced")
        return announcement

    def _announce(self, caller: Caller, membership: Membership, announcement: str) -> None:
        members = {caller.key, *self._rooms.members(caller.tenant_id, membership.room, limit=SMALL_ROOM + 1)}
        if len(members) <= SMALL_ROOM:
            frames = {key.connection_id: [announcement.encode()] for key in members - {caller.key}}
            self._sender.post_in_order(self._endpoint, frames, seconds=POST_SECONDS)
