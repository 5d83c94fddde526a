"""A connection joins a room under a nickname; being in another one, it leaves that.

The one who joins is always told so, by the answer to its frame. Everyone else in a small room is told too; in a large
one nobody is: see `SMALL_ROOM`. To join again as the same changes nothing and is told to nobody else; to join again
under another nickname is to leave and to join. The leaves are announced by `presence`, which sees the row change.

A join pays for its announcement out of its tenant's budget of posts, before it is done; over the budget nobody joins a
small room. The leave that follows is free, since nobody can be kept from leaving: it doubles the posts at most. A room
that fills to a hundred members in a minute takes 4,950 posts, less than any tenant has by default.
"""

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.errors import TransientError
from loudhailer.ids import RoomKey
from loudhailer.limits.posts import PostBudget
from loudhailer.observability import count, logger
from loudhailer.rooms.model import SMALL_ROOM, Membership, nickname
from loudhailer.rooms.port import RoomStore
from loudhailer.rooms.stale import remove_gone
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.replies import CONNECTION_OVER, joined_frame, throttle_frame

POST_SECONDS = 1.0
"""Longest time that posts to other members are tried again; the answer waits no longer."""


class JoinRoom:
    """Lets a caller into a room: the respond of the route `joinroom`."""

    def __init__(self, rooms: RoomStore, sender: OrderedSender, posts: PostBudget, *, endpoint: str) -> None:
        self._rooms = rooms
        self._sender = sender
        self._posts = posts
        self._endpoint = endpoint

    def __call__(self, caller: Caller, frame: Frame) -> str:
        """The frame that says who joined which room.

        An error frame if the connection is no longer recorded; Too Many Requests where the budget of posts is used up.
        """
        membership = Membership(ids.room_key(frame.get("roomKey")), nickname(frame.get("nickName")))
        others = self._others_in(caller, membership.room)
        if not self._posts.take(caller.tenant_id, caller.session_id, len(others), budget=caller.posts_per_minute):
            return throttle_frame(caller.key.connection_id, caller.request_id)
        joined = self._rooms.join(caller.key, membership)
        if joined is None:
            count("FrameRefused")
            return caller.refusal(*CONNECTION_OVER)
        announcement = joined_frame(*membership, caller.speaker)
        if joined.former != membership:
            count("RoomJoined")
            frames = {key.connection_id: [announcement.encode()] for key in others}
            outcomes = self._sender.post_in_order(self._endpoint, frames, seconds=POST_SECONDS)
            remove_gone(self._rooms, [key for key in others if outcomes[key.connection_id] == [Outcome.GONE]])
        return announcement

    def _others_in(self, caller: Caller, room: RoomKey) -> set[ConnectionKey]:
        """Everyone else in a small room; nobody if it is large, or cannot be read now."""
        try:
            members = {caller.key, *self._rooms.members(caller.tenant_id, room, limit=SMALL_ROOM + 1)}
        except TransientError:
            count("JoinNotAnnounced")
            logger.exception("the join is not announced")
            return set()
        return members - {caller.key} if len(members) <= SMALL_ROOM else set()
