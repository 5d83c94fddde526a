"""A direct message is put into its receiver's inbox, and acknowledged once it stands there.

The stream of the inboxes does the rest: `presence` wakes the inbox, `relay_message` delivers what is in it.
"""

from loudhailer import codec, ids
from loudhailer.conversation.caller import Caller
from loudhailer.conversation.exchange import Frame
from loudhailer.conversation.frames import ack_frame
from loudhailer.conversation.model import DirectMessage, Inbox, message_id
from loudhailer.conversation.once import CLIENT_MESSAGE_ID, Once
from loudhailer.conversation.port import InboxStore
from loudhailer.errors import InvalidFieldError
from loudhailer.observability import count

MAX_MESSAGE_BYTES = 32 * 1024
"""Of the message as JSON: what a client can send in one frame.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""


class Direct:
    """Takes direct messages; they expire `lifetime_seconds` after API Gateway took them."""

    def __init__(self, inboxes: InboxStore, once: Once, *, lifetime_seconds: int) -> None:
        self._inboxes = inboxes
        self._once = once
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
            return _refused(caller, "NO_PLAYER", "the session is bound to no player")
        if frame.get("playerId", source) != source:
            return _refused(caller, "OTHER_PLAYER", "the session is bound to another player than playerId")
        destination = ids.player_id(frame["destinationPlayerId"], "destinationPlayerId")
        message = _message_of(frame)

        def store(first: Caller) -> None:
            self._inboxes.put(
                DirectMessage(
                    inbox=Inbox(first.tenant_id, destination),
                    message_id=message_id(first.received_at, first.request_id),
                    message=message,
                    source=source,
                    sent_at=first.received_at,
                    expires_at=first.received_at // 1_000 + self._lifetime_seconds,
                )
            )
            count("MessageStored")

        first = self._once(caller, frame, store)
        stored_as = message_id(first.received_at, first.request_id)
        return ack_frame(stored_as, message, source, destination, frame.get(CLIENT_MESSAGE_ID))


def _message_of(frame: Frame) -> object:
    """The frame's message; InvalidFieldError if there is none or if no frame could carry it."""
    if "message" not in frame:
        raise InvalidFieldError("message", "is missing")
    try:
        # Within a list, since the frames that carry it are one level deeper than it is.
        size = len(codec.encode([frame["message"]])) - len("[]")
    except codec.NotJsonError as error:
        raise InvalidFieldError("message", "is nested too deeply") from error
    if size > MAX_MESSAGE_BYTES:
        raise InvalidFieldError("message", f"must have at most {MAX_MESSAGE_BYTES} bytes as JSON")
    return frame["message"]


def _refused(caller: Caller, code: str, message: str) -> str:
    count("FrameRefused")
    return caller.refusal(code, message)
