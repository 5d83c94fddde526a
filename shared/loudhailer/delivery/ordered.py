"""The ordered sender on libcurl: connections side by side over one multi handle, each connection's frames in a row.

Unlike the posts of a broadcast these differ in their frames, so each is signed by itself. No lane holds them back: they
answer what clients have sent, of which the stage lets in so much, but a frame may be answered with a post to each of a
hundred connections, and nothing but the account's quota bounds those.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import override

import pycurl

from loudhailer.delivery.certificates import TRUSTED
from loudhailer.delivery.handles import MAX_IN_FLIGHT, NO_TYPE, new_handle
from loudhailer.delivery.outcome import BY_STATUS, Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.delivery.sigv4 import Credentials, Method, PostSigner
from loudhailer.delivery.throttling import FEW_TRIES, Throttling, pause_before
from loudhailer.ids import ConnectionId
from loudhailer.observability import logger

_LONGEST_WAIT_SECONDS = 0.05
_SHORTEST_WAIT_SECONDS = 0.001


@dataclass(slots=True)
class _Line:
    """One connection's frames: how those before `place` ended, and how often that one has been tried again.

    Attributes:
        refusals: how often the connection was refused in this call, whichever frame it was.
    """

    connection: ConnectionId
    frames: Sequence[bytes]
    outcomes: list[Outcome]
    place: int = 0
    tries: int = 0
    refusals: int = 0

    def move_on(self) -> bool:
        """Move on to the next frame; tell whether there is one."""
        self.place, self.tries = self.place + 1, 0
        return self.place < len(self.frames)


@dataclass(slots=True)
class _Run:
    """The lines of one call: which are waiting, and which wait for another try, by the time of it."""

    waiting: deque[_Line]
    is_post: bool
    later: list[tuple[float, ConnectionId, _Line]] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)

    def due(self, now: float) -> None:
        """Put those whose time has come behind those that are waiting."""
        while self.later and self.later[0][0] <= now:
            self.waiting.append(heappop(self.later)[2])

    def again(self, line: _Line, now: float) -> None:
        """Try a line's frame once more, a little later each time, and not all lines at the same moment."""
        line.tries += 1
        heappush(self.later, (now + pause_before(line.tries), line.connection, line))


class CurlOrderedSender(OrderedSender):
    """Posts with libcurl, at most `max_in_flight` requests at a time; see `OrderedSender`.

    `tries` is how often a connection may be refused in a call until the rest of its frames is handed on: few, unless
    nothing waits for the end of the call, and nobody brings the frame again.
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
        self._ca_file = ca_file
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_in_flight)
        self._unmade = max_in_flight
        self._idle: list[pycurl.Curl] = []
        self._in_flight: dict[pycurl.Curl, _Line] = {}

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
        run = _Run(deque(line for line in lines if line.frames), method == "POST")
        ends = time.monotonic() + seconds
        try:
            while (now := time.monotonic()) < ends and (run.waiting or run.later or self._in_flight):
                run.due(now)
                self._start(run, method, endpoint)
                self._multi.perform()
                self._finish(run)
                self._wait(run, ends)
        finally:
            self._abandon()
        if run.reasons:
            logger.warning("requests were answered with errors", reasons=dict(run.reasons.most_common(10)))
        return {line.connection: line.outcomes for line in lines}

    def _start(self, run: _Run, method: Method, endpoint: str) -> None:
        while run.waiting and (self._idle or self._unmade):
            line = run.waiting[0]
            frame = line.frames[line.place]
            signer = PostSigner(endpoint, self._region, frame, method).at(time.time(), self._credentials())
            url, headers = signer.sign(line.connection)
            handle = self._idle.pop() if self._idle else self._make()
            handle.setopt(pycurl.CUSTOMREQUEST, method)
            handle.setopt(pycurl.URL, url)
            handle.setopt(pycurl.HTTPHEADER, [headers, NO_TYPE])
            handle.setopt(pycurl.POSTFIELDS, frame)
            self._in_flight[handle] = run.waiting.popleft()
            self._multi.add_handle(handle)

    def _make(self) -> pycurl.Curl:
        self._unmade -= 1
        return new_handle(self._ca_file)

    def _finish(self, run: _Run) -> None:
        more = 1
        while more:
            more, done, broken = self._multi.info_read()
            for handle in done:
                self._settle(run, self._release(handle), handle.getinfo(pycurl.RESPONSE_CODE))
            for handle, number, _ in broken:
                run.reasons[f"curl {number}"] += 1
                self._retry(run, self._release(handle), Outcome.FAILED)

    def _release(self, handle: pycurl.Curl) -> _Line:
        self._multi.remove_handle(handle)
        self._idle.append(handle)
        return self._in_flight.pop(handle)

    def _settle(self, run: _Run, line: _Line, status: int) -> None:
        outcome = BY_STATUS.get(status, Outcome.FAILED)
        if outcome is Outcome.THROTTLED and run.is_post:
            self._retry_throttled(run, line)
        elif outcome in {Outcome.THROTTLED, Outcome.FAILED}:
            run.reasons[f"status {status}"] += 1
            self._retry(run, line, outcome)
        else:
            if run.is_post:
                self._throttling.let_in(line.connection, time.monotonic())
            line.outcomes[line.place] = outcome
            if outcome is Outcome.DELIVERED and line.move_on():
                run.waiting.append(line)

    def _retry_throttled(self, run: _Run, line: _Line) -> None:
        now = time.monotonic()
        line.refusals += 1
        outcome = self._throttling.refused(line.connection, now, last=line.refusals >= self._tries)
        line.outcomes[line.place] = outcome or Outcome.THROTTLED
        if outcome is None:
            run.again(line, now)

    def _retry(self, run: _Run, line: _Line, outcome: Outcome) -> None:
        line.outcomes[line.place] = outcome
        run.again(line, time.monotonic())

    def _wait(self, run: _Run, ends: float) -> None:
        """Sleep until an answer comes, or a try is due; not at all while there is a request to start."""
        if run.waiting and (self._idle or self._unmade):
            return
        now = time.monotonic()
        next_retry = run.later[0][0] if run.later else ends
        seconds = max(_SHORTEST_WAIT_SECONDS, min(_LONGEST_WAIT_SECONDS, next_retry - now, ends - now))
        if self._in_flight:
            self._multi.select(seconds)
        elif run.later:
            time.sleep(seconds)

    def _abandon(self) -> None:
        """Take back what was not answered in time; a connection that was cut off is not used again."""
        for handle in list(self._in_flight):
            self._release(handle)
