"""Publish a client's message to a channel.

The session needs a grant with the right `p`. A message costs its recipients' number of posts, by the counts, from the
tenant's budget: see `PostBudget`. One to nobody costs one post, so that nothing is free.

A message is durable before it is acknowledged. A message to few recipients takes the short path. Another one is sent as
a broadcast in the lanes `low`, as messages to large rooms are. Its id follows from the frame's first attempt. So a
frame that is sent again with the same `clientMessageId` is the same message, whatever became of the first attempt.
"""

import hashlib

from loudhailer import ids
from loudhailer.broadcast.audience import OfChannel
from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES, channel_frame
from loudhailer.broadcast.publishing.publisher import FoundRecipients, Publisher
from loudhailer.codec import JsonText
from loudhailer.errors import ErrorCode, InvalidFieldError, TransientError
from loudhailer.ids import BroadcastId, Channel, Pattern
from loudhailer.inbox.model import message_id
from loudhailer.limits.posts import PostBudget
from loudhailer.observability import count
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.once import CLIENT_MESSAGE_ID, Once
from loudhailer.websocket.replies import published_frame, throttle_frame

_FIELDS = {"action", "channel", "data", CLIENT_MESSAGE_ID}


class PublishFrame:
    """Answers frames of the route `publish`; `enabled` is False where messages would not reach all subscribers."""

    def __init__(self, publisher: Publisher, posts: PostBudget, *, once: Once, enabled: bool) -> None:
        self._publisher = publisher
        self._posts = posts
        self._once = once
        self._enabled = enabled

    def __call__(self, caller: Caller, frame: Frame) -> str:
        """Publish the message once; return its acknowledgement, or the frame that refuses it.

        Raises:
            InvalidFieldError: the frame is not legal.
            TransientError: it is unknown whether the message was published.
        """
        if not self._enabled:
            return caller.refusal(ErrorCode.NOT_YET, "clients cannot publish to channels here yet")
        if unknown := sorted(frame.keys() - _FIELDS):
            raise InvalidFieldError(unknown[0][:64], "is not a field of a message to a channel")
        channel = ids.channel(frame.get("channel"))
        if "data" not in frame:
            raise InvalidFieldError("data", "is missing")
        if not caller.grants.allow(Pattern(channel), "p"):
            count("FrameRefused")
            return caller.refusal(ErrorCode.NOT_GRANTED, "the session has no grant to publish to this channel")
        # Each attempt's frame has the same size. A refusal after `Once` has begun would leave the message in progress.
        size = len(_text_of(caller, channel, frame["data"]).encode())
        if size > MAX_MESSAGE_BYTES:
            raise InvalidFieldError("data", f"makes a frame of {size} bytes; {MAX_MESSAGE_BYTES} are the most")
        first, refusal = self._once(caller, frame, lambda first: self._publish(caller, first, channel, frame["data"]))
        if refusal is not None:
            return refusal
        return published_frame(channel, _id_of(first), frame.get(CLIENT_MESSAGE_ID))

    def _publish(self, caller: Caller, first: Caller, channel: Channel, data: JsonText) -> str | None:
        """Publish the message as of the first attempt; return the frame that refuses it if the budget is used up."""
        text = _text_of(first, channel, data)
        summary = Summary(
            broadcast_id=_id_of(first),
            audience=OfChannel(first.tenant_id, channel),
            content_hash=hashlib.sha256(text.encode()).hexdigest(),
            published_at=first.received_at,
        )
        found = self._publisher.find(summary, None)
        if not self._posts.take(first.tenant_id, first.session_id, _posts(found), budget=first.posts_per_minute):
            return throttle_frame(caller.key.connection_id, caller.request_id)
        recorded, chunk = self._publisher.record(summary, found)
        if not recorded.announced:
            self._publisher.send(recorded, chunk, text)
        count("ChannelMessageSent")
        return None


def _id_of(first: Caller) -> BroadcastId:
    """Return the id of a message, which is the same for each attempt to send it."""
    return ids.derived_broadcast_id(first.received_at, message_id(first.received_at, first.request_id))


def _text_of(first: Caller, channel: Channel, data: JsonText) -> str:
    """Return the frame that subscribers get."""
    return channel_frame(channel, _id_of(first), first.received_at, data, first.speaker)


def _posts(found: FoundRecipients) -> int:
    """Return the number of posts that a message costs; TransientError if its recipients could not be counted."""
    if found.expected is None:
        raise TransientError("the recipients of a message could not be counted")
    return max(1, found.expected, len(found.recipients or ()))
