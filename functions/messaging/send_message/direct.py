"""Put a direct message into its receiver's inbox if there is room, and acknowledge it once it is stored.

The stream of the inboxes triggers the delivery: `presence` wakes the inbox, and `relay_message` delivers its messages.
"""

from loudhailer import ids
from loudhailer.codec import JsonText
from loudhailer.errors import ErrorCode, InvalidFieldError
from loudhailer.inbox.model import MAX_DIRECT_MESSAGE_BYTES, DirectMessage, Inbox, message_id
from loudhailer.inbox.port import InboxStore
from loudhailer.limits.places.inboxes import take_place_in
from loudhailer.limits.places.port import PlaceStore
from loudhailer.observability import count
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.once import CLIENT_MESSAGE_ID, Once
from loudhailer.websocket.replies import ack_frame


class Direct:
    """Takes direct messages; they expire `lifetime_seconds` after API Gateway received them.

    An inbox holds `messages_per_inbox`; a delivered message stops counting within a few seconds.
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
        """Return the acknowledgement, or an error frame if the sender may not send this message.

        Raises:
            InvalidFieldError: the receiver's id is not legal, or the message is missing or too long.
            TransientError: it is unknown whether the message is stored; sent again, it is another message, unless the
                client gave it an id.
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
                # An earlier attempt has stored it and taken a place for it, but its answer was lost.
                return None
            # Use the present time: an inbox that was counted at an earlier attempt's time would not be counted again.
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
        expires_at = now + self._lifetime_seconds
        limit = self._messages_per_inbox
        return take_place_in(inbox, self._inboxes, self._places, limit, now=now, expires_at=expires_at)


def _message_of(frame: Frame) -> JsonText:
    """Return the frame's message; InvalidFieldError if it is missing or too long."""
    if "message" not in frame:
        raise InvalidFieldError("message", "is missing")
    message: JsonText = frame["message"]
    if len(message.encode()) > MAX_DIRECT_MESSAGE_BYTES:
        raise InvalidFieldError("message", f"must have at most {MAX_DIRECT_MESSAGE_BYTES} bytes as JSON")
    return message


def _refused(caller: Caller, code: ErrorCode, message: str) -> str:
    count("FrameRefused")
    return caller.refusal(code, message)
