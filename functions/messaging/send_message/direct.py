"""A direct message is put into its receiver's inbox if there is room, and acknowledged once it stands there.

The stream of the inboxes does the rest: `presence` wakes the inbox, `relay_message` delivers what is in it.
"""

from loudhailer import ids
from loudhailer.codec import JsonText
from loudhailer.errors import ErrorCode, InvalidFieldError
from loudhailer.inbox.model import DirectMessage, Inbox, message_id
from loudhailer.inbox.port import InboxStore
from loudhailer.limits.places.model import inbox_of, take_place
from loudhailer.limits.places.port import PlaceStore
from loudhailer.observability import count
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.once import CLIENT_MESSAGE_ID, Once
from loudhailer.websocket.replies import ack_frame

MAX_DIRECT_MESSAGE_BYTES = 32 * 1024
"""The size of a message as its sender wrote it, at most: a client can send so much in one frame.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""

_KEPT_SECONDS = 7 * 24 * 3600
"""Time for which an inbox's places outlive its last message. DynamoDB deletes what has expired within days, in any
order, and a tenant's erasure finds its inboxes by their places: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html"""


class Direct:
    """Takes direct messages; they expire `lifetime_seconds` after API Gateway took them.

    An inbox holds `messages_per_inbox`; what has been delivered does not count, a few seconds later at most.
    """

    def __init__(
        self,
        inboxes: InboxStore,
        places: PlaceStore,
        once: Once,
        *,
        messages_per_inbox: int,
        lifetime_seconds: int,
    ) -> None:
        self._inboxes = inboxes
        self._places = places
        self._once = once
        self._messages_per_inbox = messages_per_inbox
        self._lifetime_seconds = lifetime_seconds

    def __call__(self, caller: Caller, frame: Frame) -> str:
        """The acknowledgement, or an error frame where nobody may say this.

        Raises:
            InvalidFieldError: the receiver's id is not legal, or there is no message, or one that is too long.
            TransientError: it may be stored or not; if it is sent again, that is another message, unless the client
                gave it an id.
        """
        source = caller.player_id
        if source is None:
            return _refused(caller, ErrorCode.NO_PLAYER, "the session is bound to no player")
        if frame.get("playerId", source) != source:
            return _refused(caller, ErrorCode.OTHER_PLAYER, "the session is bound to another player than playerId")
        destination = ids.player_id(frame["destinationPlayerId"], "destinationPlayerId")
        message = _message_of(frame)
        inbox = Inbox(caller.tenant_id, destination)

        def store(first: Caller) -> str | None:
            stored_as = message_id(first.received_at, first.request_id)
            if first != caller and self._inboxes.has(inbox, stored_as):
                # An earlier attempt put it there, took a place for it, and could not say so.
                return None
            # As of now: an inbox that was counted for an earlier attempt would never be counted again for its like.
            if not self._has_room(inbox, caller.received_at // 1_000):
                count("InboxFull")
                return _refused(
                    caller, ErrorCode.INBOX_FULL, "too many messages wait for destinationPlayerId: try again later"
                )
            self._inboxes.put(
                DirectMessage(
                    inbox=inbox,
                    message_id=stored_as,
                    message=message,
                    source=source,
                    sent_at=first.received_at,
                    expires_at=first.received_at // 1_000 + self._lifetime_seconds,
                )
            )
            count("MessageStored")
            return None

        first, refusal = self._once(caller, frame, store)
        stored_as = message_id(first.received_at, first.request_id)
        return refusal or ack_frame(stored_as, message, source, destination, frame.get(CLIENT_MESSAGE_ID))

    def _has_room(self, inbox: Inbox, now: int) -> bool:
        return take_place(
            self._places,
            inbox_of(*inbox),
            self._messages_per_inbox,
            rows=lambda: self._inboxes.count(inbox),
            now=now,
            expires_at=now + self._lifetime_seconds + _KEPT_SECONDS,
        )


def _message_of(frame: Frame) -> JsonText:
    """The frame's message; InvalidFieldError if there is none, or one that is too long."""
    if "message" not in frame:
        raise InvalidFieldError("message", "is missing")
    message: JsonText = frame["message"]
    if len(message.encode()) > MAX_DIRECT_MESSAGE_BYTES:
        raise InvalidFieldError("message", f"must have at most {MAX_DIRECT_MESSAGE_BYTES} bytes as JSON")
    return message


def _refused(caller: Caller, code: ErrorCode, message: str) -> str:
    count("FrameRefused")
    return caller.refusal(code, message)
