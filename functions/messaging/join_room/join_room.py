"""Add a connection to a room under a nickname; a connection that is in another room leaves it.

The member that joins always gets an answer to its frame. In a small room the join is announced to all other members, in
a large room not: see `SMALL_ROOM`. Joining again under the same nickname changes nothing and is not announced. Joining
again under another nickname is a leave and a join. `presence` announces leaves when it sees the row change.

A join pays for its announcement from its tenant's budget of posts, before it is carried out; over the budget a join of
a small room is refused. The leave that follows is free, since a leave cannot be refused: it at most doubles the posts.
A room that fills up to a hundred members in a minute takes 4,950 posts, less than the default budget of any tenant.
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
"""Longest time in seconds for which failed posts to other members are repeated; the answer waits for it."""


class JoinRoom:
    """Adds a caller to a room; answers frames of the route `joinroom`."""

    def __init__(self, rooms: RoomStore, sender: OrderedSender, posts: PostBudget, *, endpoint: str) -> None:
        self._rooms = rooms
        self._sender = sender
        self._posts = posts
        self._endpoint = endpoint

    def __call__(self, caller: Caller, frame: Frame) -> str:
        """Return the frame that announces the member that joined.

        It is an error frame if the connection is no longer recorded, or Too Many Requests if the budget of posts is
        used up.
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
        """Return the other members of a small room; nobody if it is large, or cannot be read now."""
        try:
            members = {caller.key, *self._rooms.members(caller.tenant_id, room, limit=SMALL_ROOM + 1)}
        except TransientError:
            count("JoinNotAnnounced")
            logger.exception("the join is not announced")
            return set()
        return members - {caller.key} if len(members) <= SMALL_ROOM else set()
