"""The ordered sender on libcurl: connections in parallel, each connection's frames one after the other.

Unlike the posts of a broadcast, these posts have different frames, so each one is signed completely. No lane limits
them: they answer clients' frames, whose number the stage limits. But a frame may cause a post to each of a hundred
connections, and only the account's quota limits those.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import override

import pycurl

from loudhailer.delivery.certificates import TRUSTED
from loudhailer.delivery.outcome import BY_STATUS, Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.delivery.sigv4 import Credentials, Method, PostSigner
from loudhailer.delivery.throttling import FEW_TRIES, Throttling
from loudhailer.delivery.transfers import MAX_IN_FLIGHT, NO_TYPE, Backlog, Transfers
from loudhailer.ids import ConnectionId

_SHORTEST_WAIT_SECONDS = 0.001


@dataclass(slots=True)
class _Line:
    """The frames of one connection, with their outcomes.

    Attributes:
        position: the index of the frame that is posted.
        tries: number of retries of that frame.
        refusals: number of times that the connection was refused in this call, for any frame.
    """

    connection: ConnectionId
    frames: Sequence[bytes]
    outcomes: list[Outcome]
    position: int = 0
    tries: int = 0
    refusals: int = 0

    def move_on(self) -> bool:
        """Move on to the next frame; tell whether there is one."""
        self.position, self.tries = self.position + 1, 0
        return self.position < len(self.frames)


class CurlOrderedSender(OrderedSender):
    """Posts with libcurl, at most `max_in_flight` requests at a time; see `OrderedSender`.

    `tries` is the number of refusals of a connection in a call after which its remaining frames are returned unsent.
    Keep it low, unless nothing waits for the end of the call and the frames are not delivered again.
    """

    def __init__(
        self,
        credentials: Callable[[], Credentials],
        region: str,
        *,
        tries: int = FEW_TRIES,
        max_in_flight: int = MAX_IN_FLIGHT,
        ca_file: str = TRUSTED,
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._tries = tries
        self._throttling = Throttling()
        self._transfers = Transfers[_Line](
            max_in_flight=max_in_flight, ca_file=ca_file, tick_seconds=_SHORTEST_WAIT_SECONDS
        )

    @override
    def post_in_order(
        self, endpoint: str, frames: Mapping[ConnectionId, Sequence[bytes]], *, seconds: float
    ) -> dict[ConnectionId, list[Outcome]]:
        now = time.monotonic()
        resting = {one: outcome for one in frames if (outcome := self._throttling.resting(one, now)) is not None}
        others = {one: wanted for one, wanted in frames.items() if one not in resting}
        outcomes = self._carry_out("POST", endpoint, others, seconds)
        for one, outcome in resting.items():
            outcomes[one] = [outcome, *[Outcome.UNSENT] * len(frames[one])][: len(frames[one])]
        return outcomes

    @override
    def close(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        return self._ask("DELETE", endpoint, connections, seconds)

    @override
    def look_up(self, endpoint: str, connections: Sequence[ConnectionId], *, seconds: float) -> list[Outcome]:
        return self._ask("GET", endpoint, connections, seconds)

    def _ask(self, method: Method, endpoint: str, connections: Sequence[ConnectionId], seconds: float) -> list[Outcome]:
        outcomes = self._carry_out(method, endpoint, dict.fromkeys(connections, (b"",)), seconds)
        return [outcomes[connection][0] for connection in connections]

    def _carry_out(
        self,
        method: Method,
        endpoint: str,
        frames: Mapping[ConnectionId, Sequence[bytes]],
        seconds: float,
    ) -> dict[ConnectionId, list[Outcome]]:
        lines = [_Line(connection, wanted, [Outcome.UNSENT] * len(wanted)) for connection, wanted in frames.items()]
        requests = _Requests(
            Backlog(deque(line for line in lines if line.frames)),
            method=method,
            endpoint=endpoint,
            region=self._region,
            credentials=self._credentials,
            most_refusals=self._tries,
            throttling=self._throttling,
        )
        self._transfers.carry_out(requests, seconds)
        return {line.connection: line.outcomes for line in lines}


@dataclass(slots=True)
class _Requests:
    """The policy for the requests of one call; a request is the line of its connection."""

    backlog: Backlog[_Line]
    _: KW_ONLY
    method: Method
    endpoint: str
    region: str
    credentials: Callable[[], Credentials]
    most_refusals: int
    throttling: Throttling

    def admit(self, most: int, now: float) -> int:  # noqa: ARG002  # nothing holds them back
        return most

    def prepare(self, handle: pycurl.Curl, transfer: _Line) -> None:
        frame = transfer.frames[transfer.position]
        signer = PostSigner(self.endpoint, self.region, frame, self.method).at(time.time(), self.credentials())
        url, headers = signer.sign(transfer.connection)
        handle.setopt(pycurl.CUSTOMREQUEST, self.method)
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, [headers, NO_TYPE])
        handle.setopt(pycurl.POSTFIELDS, frame)

    def answered(self, transfer: _Line, status: int) -> None:
        is_post = self.method == "POST"
        outcome = BY_STATUS.get(status, Outcome.FAILED)
        if outcome is Outcome.THROTTLED and is_post:
            self._refused(transfer)
        elif outcome in {Outcome.THROTTLED, Outcome.FAILED}:
            self.backlog.reasons[f"status {status}"] += 1
            self._try_again(transfer, outcome)
        else:
            if is_post:
                self.throttling.accepted(transfer.connection, time.monotonic())
            transfer.outcomes[transfer.position] = outcome
            if outcome is Outcome.DELIVERED and transfer.move_on():
                self.backlog.waiting.append(transfer)

    def broken(self, transfer: _Line) -> None:
        self._try_again(transfer, Outcome.FAILED)

    def hold(self) -> None:
        """Continue at once: every request for which there is a handle may start."""

    def _refused(self, line: _Line) -> None:
        now = time.monotonic()
        line.refusals += 1
        outcome = self.throttling.refused(line.connection, now, last=line.refusals >= self.most_refusals)
        if outcome is None:
            self._try_again(line, Outcome.THROTTLED)
        else:
            line.outcomes[line.position] = outcome

    def _try_again(self, line: _Line, outcome: Outcome) -> None:
        line.outcomes[line.position] = outcome
        line.tries += 1
        self.backlog.again(line, line.tries, time.monotonic())
