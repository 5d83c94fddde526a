"""A frame that a client sends again is the same message, if the client gave it an id.

A client that gets no answer, or API Gateway's "Endpoint request timed out", cannot tell whether its message was
accepted. With a `clientMessageId`, unique for its sender, it may send the frame again: what was accepted is
acknowledged and not said twice. The sender is the player, or the session where it is bound to none.

An attempt that dies half-way leaves the message open. A later one then carries it out as the first one would have, by
that one's time and request: all that is derived from these two has the same id, and is written on condition that it is
not there.
"""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from loudhailer import codec, ids
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.observability import count, logger
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame
from loudhailer.websocket.sent.model import Attempt, Progress
from loudhailer.websocket.sent.port import SentStore

CLIENT_MESSAGE_ID = "clientMessageId"


class Once:
    """Has each message carried out once, however often its frame is sent."""

    def __init__(self, sent: SentStore, *, clock: Callable[[], float]) -> None:
        self._sent = sent
        self._clock = clock

    def __call__(
        self, caller: Caller, frame: Frame, carry_out: Callable[[Caller], str | None]
    ) -> tuple[Caller, str | None]:
        """Carry the frame out, unless an earlier attempt did.

        Returns the caller as of the first attempt, and the frame by which `carry_out` refuses this one, if it does.

        Raises:
            InvalidFieldError: the id is not legal, or was used for another frame.
            TransientError: it may be carried out or not, or another attempt is still at work.
        """
        if CLIENT_MESSAGE_ID not in frame:
            return caller, carry_out(caller)
        attempt = Attempt(
            tenant_id=caller.tenant_id,
            sender=_sender_of(caller),
            client_message_id=ids.client_message_id(frame[CLIENT_MESSAGE_ID]),
            content_hash=sha256(codec.canonical(dict(frame))).hexdigest(),
            request_id=caller.request_id,
            received_at=caller.received_at,
        )
        sent = self._sent.begin(attempt, now=int(self._clock()))
        if sent.content_hash != attempt.content_hash:
            raise InvalidFieldError(CLIENT_MESSAGE_ID, "was used for another message")
        first = replace(caller, request_id=sent.request_id, received_at=sent.received_at)
        match sent.progress:
            case Progress.OPEN:
                return first, self._carried_out(attempt, first, carry_out)
            case Progress.AT_WORK:
                raise TransientError("another attempt of the same message is still at work")
            case Progress.ACCEPTED:
                count("MessageSentAgain")
        return first, None

    def _carried_out(self, attempt: Attempt, first: Caller, carry_out: Callable[[Caller], str | None]) -> str | None:
        """Carry the frame out; what is refused or fails is left to the next attempt, whenever that comes."""
        try:
            refusal = carry_out(first)
        except TransientError:
            self._sent.release(attempt)
            raise
        if refusal is not None:
            self._sent.release(attempt)
            return refusal
        try:
            self._sent.finish(attempt)
        except TransientError:
            # It is accepted, and its client is told so. If it asks all the same, the same message is carried out again.
            count("SentMessageNotFinished")
            logger.exception("a message was accepted, but a retry of it will be carried out again")
        return None


def _sender_of(caller: Caller) -> str:
    return f"session {caller.session_id}" if caller.player_id is None else f"player {caller.player_id}"
