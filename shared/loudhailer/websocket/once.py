"""Recognise a frame that a client sends again as the same message, if the client gave it an id.

A client that gets no answer, or API Gateway's "Endpoint request timed out", cannot know whether its message was
accepted. With a `clientMessageId`, which is unique for its sender, it may send the frame again: an accepted message is
acknowledged, and not sent twice. The sender is the player, or the session if it is bound to no player.

An attempt that crashes half-way leaves the message open. A later attempt then carries it out with the first attempt's
time and request id: everything that is derived from these has the same id, and is written only if it does not exist.
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
    """Carries out each message once, however often its frame is sent."""

    def __init__(self, sent: SentStore, *, clock: Callable[[], float]) -> None:
        self._sent = sent
        self._clock = clock

    def __call__(
        self, caller: Caller, frame: Frame, carry_out: Callable[[Caller], str | None]
    ) -> tuple[Caller, str | None]:
        """Carry out the frame, unless an earlier attempt did.

        `carry_out` raises TransientError alone: the frame's fields are checked before.

        Return the caller as of the first attempt, and the frame with which `carry_out` refuses this one, if it does.

        Raises:
            InvalidFieldError: the id is not legal, or was used for another frame.
            TransientError: it is unknown whether it was carried out, or another attempt is in progress.
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
            case Progress.IN_PROGRESS:
                raise TransientError("another attempt of the same message is still in progress")
            case Progress.ACCEPTED:
                count("MessageSentAgain")
        return first, None

    def _carried_out(self, attempt: Attempt, first: Caller, carry_out: Callable[[Caller], str | None]) -> str | None:
        """Carry out the frame; a refusal or failure leaves it to the next attempt, whenever that is made."""
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
            # The message is accepted, and its client gets an acknowledgement. If it repeats the frame nevertheless, the
            # same message is carried out again.
            count("SentMessageNotFinished")
            logger.exception("a message was accepted, but a retry of it will be carried out again")
        return None


def _sender_of(caller: Caller) -> str:
    return f"session {caller.session_id}" if caller.player_id is None else f"player {caller.player_id}"
