"""The sender on libcurl: one multi handle with its connections, kept between invocations.

Nothing is done for each post that can be done once: the signing key and the payload's hash serve all of them, the easy
handles and their TLS connections are used again, and what is left in Python for a post is one signature.
"""

import heapq
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import override

import pycurl

from loudhailer.delivery.certificates import TRUSTED
from loudhailer.delivery.handles import MAX_IN_FLIGHT, NO_TYPE, new_handle
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import BY_STATUS, Outcome
from loudhailer.delivery.sender import Sender
from loudhailer.delivery.sigv4 import Credentials, PostSigner, Signer
from loudhailer.delivery.throttling import FEW_TRIES, Throttling, pause_before
from loudhailer.ids import ConnectionId
from loudhailer.observability import logger

_FAILURES_IN_PLACE = 2
_LONGEST_WAIT_SECONDS = 0.05
_TICK_SECONDS = 0.03
_GATHER_SECONDS = 0.004


@dataclass(slots=True)
class _Run:
    """The posts of one call: which are waiting, which wait for another try, and how the others ended.

    Attributes:
        most_refusals: after so many answers of 429 a post is not tried again.
        refusals: how often each was answered 429.
    """

    connections: Sequence[ConnectionId]
    outcomes: list[Outcome]
    waiting: deque[int]
    most_refusals: int
    later: list[tuple[float, int]] = field(default_factory=list)
    tries: Counter[int] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def due(self, now: float) -> None:
        """Put those whose time has come behind those that are waiting."""
        while self.later and self.later[0][0] <= now:
            self.waiting.append(heapq.heappop(self.later)[1])

    def again(self, place: int, now: float) -> None:
        """Try a post once more, a little later each time, and not all at the same moment."""
        self.tries[place] += 1
        heapq.heappush(self.later, (now + pause_before(self.tries[place]), place))


class CurlSender(Sender):
    """Posts with libcurl at the rate of a lane; see `Sender`."""

    def __init__(
        self,
        lane: Lane,
        credentials: Callable[[], Credentials],
        region: str,
        *,
        max_in_flight: int = MAX_IN_FLIGHT,
        ca_file: str = TRUSTED,
    ) -> None:
        self._lane = lane
        self._throttling = Throttling()
        self._credentials = credentials
        self._region = region
        self._ca_file = ca_file
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_in_flight)
        self._payload = b""
        self._unmade = max_in_flight
        self._idle: list[pycurl.Curl] = []
        self._in_flight: dict[pycurl.Curl, int] = {}

    @override
    def post(
        self,
        endpoint: str,
        connections: Sequence[ConnectionId],
        payload: bytes,
        *,
        seconds: float,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        now = time.monotonic()
        resting = [self._throttling.resting(connection, now) for connection in connections]
        run = _Run(
            connections,
            [outcome or Outcome.UNSENT for outcome in resting],
            deque(place for place, outcome in enumerate(resting) if outcome is None),
            tries,
        )
        signing = PostSigner(endpoint, self._region, payload)
        if payload != self._payload:
            self._payload = payload
            for handle in self._idle:
                handle.setopt(pycurl.POSTFIELDS, payload)
        signer, signed_second = signing.at(time.time(), self._credentials()), int(time.time())
        ends = time.monotonic() + seconds
        try:
            while (now := time.monotonic()) < ends and (run.waiting or run.later or self._in_flight):
                if int(time.time()) != signed_second:
                    signer, signed_second = signing.at(time.time(), self._credentials()), int(time.time())
                run.due(now)
                self._start(run, signer, now)
                self._multi.perform()
                self._finish(run)
                self._wait(run, ends)
        finally:
            self._abandon()
        if run.reasons:
            logger.warning("posts were answered with errors", reasons=dict(run.reasons.most_common(10)))
        return run.outcomes

    def _start(self, run: _Run, signer: Signer, now: float) -> None:
        for _ in range(self._lane.take(min(len(run.waiting), len(self._idle) + self._unmade), now)):
            place = run.waiting.popleft()
            handle = self._idle.pop() if self._idle else self._make()
            url, headers = signer.sign(run.connections[place])
            handle.setopt(pycurl.URL, url)
            handle.setopt(pycurl.HTTPHEADER, [headers, NO_TYPE])
            self._in_flight[handle] = place
            self._multi.add_handle(handle)

    def _make(self) -> pycurl.Curl:
        self._unmade -= 1
        handle = new_handle(self._ca_file)
        handle.setopt(pycurl.POST, 1)
        handle.setopt(pycurl.POSTFIELDS, self._payload)
        return handle

    def _finish(self, run: _Run) -> None:
        more = 1
        while more:
            more, done, broken = self._multi.info_read()
            for handle in done:
                self._settle(run, self._release(handle), handle.getinfo(pycurl.RESPONSE_CODE))
            for handle, number, _ in broken:
                run.reasons[f"curl {number}"] += 1
                self._retry_failed(run, self._release(handle))

    def _release(self, handle: pycurl.Curl) -> int:
        self._multi.remove_handle(handle)
        self._idle.append(handle)
        return self._in_flight.pop(handle)

    def _settle(self, run: _Run, place: int, status: int) -> None:
        outcome = BY_STATUS.get(status, Outcome.FAILED)
        if outcome is Outcome.THROTTLED:
            self._retry_throttled(run, place)
        elif outcome is Outcome.FAILED:
            run.reasons[f"status {status}"] += 1
            self._retry_failed(run, place)
        else:
            run.outcomes[place] = outcome
            now = time.monotonic()
            if self._throttling.let_in(run.connections[place], now):
                self._lane.throttled(now)

    def _retry_throttled(self, run: _Run, place: int) -> None:
        """Try the post again, a few times: other chunks wait for the lane, and what is left comes again."""
        now = time.monotonic()
        run.refusals[place] += 1
        last = run.refusals[place] >= run.most_refusals
        outcome = self._throttling.refused(run.connections[place], now, last=last)
        run.outcomes[place] = outcome or Outcome.THROTTLED
        if outcome is None:
            run.again(place, now)

    def _retry_failed(self, run: _Run, place: int) -> None:
        run.outcomes[place] = Outcome.FAILED
        if run.tries[place] < _FAILURES_IN_PLACE:
            run.again(place, time.monotonic())

    def _wait(self, run: _Run, ends: float) -> None:
        """Wait until there is something to do.

        While the lane is what holds posts back, that is a tick later: answers that come meanwhile are taken together,
        which costs a fraction of waking up for each of them. So are the last answers of a call, by a few milliseconds;
        what the lane could have sent meanwhile, its bucket keeps for the next chunk.
        """
        if run.waiting and (self._idle or self._unmade):
            if seconds := self._lane.wait():
                time.sleep(max(_TICK_SECONDS, min(seconds, _LONGEST_WAIT_SECONDS)))
            return
        now = time.monotonic()
        next_retry = run.later[0][0] if run.later else ends
        seconds = max(_TICK_SECONDS, min(_LONGEST_WAIT_SECONDS, next_retry - now, ends - now))
        if self._in_flight:
            self._multi.select(seconds)
            if not run.waiting:
                time.sleep(_GATHER_SECONDS)
        elif run.later:
            time.sleep(seconds)

    def _abandon(self) -> None:
        """Take back what was not answered in time; a connection that was cut off is not used again."""
        for handle in list(self._in_flight):
            self._release(handle)
