"""Accept up to a hundred broadcasts in one request: `POST /broadcasts`.

Each is answered as `POST /broadcast` would answer it, in the order of the request. A bad one does not stop the others.
Broadcasts to one channel are accepted in their order, all others side by side. A broadcast that could not be accepted
now is answered 503, and can be sent again with its id.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from loudhailer import codec, http
from loudhailer.codec import JsonText
from loudhailer.deadline import Deadline
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.observability import logger

MOST_BROADCASTS = 100
"""Most broadcasts of a request."""

LARGEST_BODY = 4 * 1024 * 1024
"""Most bytes of a request's body: Lambda takes 6 MB, in which each quotation mark of the body is escaped.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

SIDE_BY_SIDE = 8
"""Broadcasts that are accepted side by side."""

RESERVE_SECONDS = 1.0
"""Time of an invocation that is left for the answer."""

_SECONDS_FOR_ONE = 2.0
"""A broadcast is begun only if this much time is left."""

type BroadcastRequest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class BroadcastAnswer:
    """The answer to one broadcast: the status, and the body as a value for JSON."""

    status: int
    body: dict[str, Any]

    def to_wire(self) -> dict[str, Any]:
        """Return an entry of the batch's answer."""
        return {"status": self.status, "body": self.body}


class BatchTooLargeError(InvalidFieldError):
    """The body has more bytes than a function takes."""


class PublishBatch:
    """Accepts the broadcasts of one request.

    `publish` answers one broadcast. `executor` must not be one that `publish` waits for.
    """

    def __init__(self, publish: Callable[[BroadcastRequest], BroadcastAnswer], executor: Executor) -> None:
        self._publish = publish
        self._executor = executor

    def __call__(self, broadcasts: Sequence[JsonText], deadline: Deadline) -> list[BroadcastAnswer]:
        """Return the answer to each broadcast, in their order.

        InvalidFieldError is raised if there is none, or more than `MOST_BROADCASTS`.
        """
        if not 1 <= len(broadcasts) <= MOST_BROADCASTS:
            raise InvalidFieldError("broadcasts", f"must have 1 to {MOST_BROADCASTS} entries")
        answers: dict[int, BroadcastAnswer] = {}
        in_order: dict[object, list[tuple[int, BroadcastRequest]]] = {}
        for place, text in enumerate(broadcasts):
            try:
                request = codec.decode_object(text, verbatim={"message"})
            except codec.NotJsonError as error:
                answers[place] = _refused(400, str(error))
            else:
                in_order.setdefault(_channel_of(request) or place, []).append((place, request))
        for accepted in self._executor.map(lambda group: self._accept(group, deadline), in_order.values()):
            answers |= accepted
        return [answers[place] for place in range(len(broadcasts))]

    def _accept(self, group: Sequence[tuple[int, BroadcastRequest]], deadline: Deadline) -> dict[int, BroadcastAnswer]:
        return {place: self._accept_one(request, deadline) for place, request in group}

    def _accept_one(self, request: BroadcastRequest, deadline: Deadline) -> BroadcastAnswer:
        if deadline.is_over(within=_SECONDS_FOR_ONE):
            return _refused(503, "no time was left for this broadcast: send it again")
        try:
            return self._publish(request)
        except TransientError:
            logger.exception("a broadcast of a batch could not be accepted")
            return _refused(503, "cannot be accepted now: send it again with the same broadcastId")


def _channel_of(request: BroadcastRequest) -> bytes | None:
    """Return what names the channel of a request; None if its audience is none."""
    audience = request.get("audience")
    is_channel = isinstance(audience, dict) and "channel" in audience
    return codec.canonical(audience) if is_channel else None


def _refused(status: int, reason: str) -> BroadcastAnswer:
    return BroadcastAnswer(status, http.invalid_body("body", f"body: {reason}"))
