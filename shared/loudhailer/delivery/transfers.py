"""Transfers on libcurl: one multi handle with its connections, kept between calls.

Easy handles and their TLS connections are used again. A policy decides for each call which of its transfers start, and
which are tried again. TLS is verified against the certificates of a file.
"""

import time
from collections import Counter, deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Protocol

import pycurl

from loudhailer.delivery.throttling import pause_before
from loudhailer.observability import logger

MAX_IN_FLIGHT = 900
"""Most sockets of a sender, of a Lambda's 1,024 descriptors:
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

NO_TYPE = "Content-Type:"
"""A header line that removes a header, as libcurl understands it. The SDK sends no Content-Type, and the signature does
not cover it; libcurl would add the type of an HTML form to a post:
https://curl.se/libcurl/c/CURLOPT_POST.html"""

_CONNECT_MILLISECONDS = 2_000
_REQUEST_MILLISECONDS = 4_000
_LONGEST_WAIT_SECONDS = 0.05


@dataclass(slots=True)
class Backlog[T]:
    """Unfinished transfers of one call: the ones that wait to start, and the ones that wait for another try.

    Attributes:
        waiting: transfers that may start, in order.
        reasons: number of failures by reason.
    """

    waiting: deque[T]
    reasons: Counter[str] = field(default_factory=Counter)
    _later: list[tuple[float, int, T]] = field(default_factory=list)
    _tries: int = 0

    def __bool__(self) -> bool:
        return bool(self.waiting or self._later)

    @property
    def next_try(self) -> float | None:
        """Return the time of the first of the further tries; None if there is none."""
        return self._later[0][0] if self._later else None

    def due(self, now: float) -> None:
        """Append the transfers whose time has come to the ones that wait to start."""
        while self._later and self._later[0][0] <= now:
            self.waiting.append(heappop(self._later)[2])

    def again(self, transfer: T, tries: int, now: float) -> None:
        """Repeat a transfer, with a growing delay and with jitter."""
        self._tries += 1
        heappush(self._later, (now + pause_before(tries), self._tries, transfer))


class Policy[T](Protocol):
    """Decides on the transfers of one call."""

    @property
    def backlog(self) -> Backlog[T]:
        """Return the unfinished transfers."""

    def admit(self, most: int, now: float) -> int:
        """Return the number of waiting transfers, at most `most`, that may start now."""

    def prepare(self, handle: pycurl.Curl, transfer: T) -> None:
        """Set a handle up for a transfer."""

    def answered(self, transfer: T, status: int) -> None:
        """Note the status of the answer; put a transfer that is repeated, or continues, into the backlog."""

    def broken(self, transfer: T) -> None:
        """Note a missing answer: a timeout, a reset."""

    def hold(self) -> None:
        """Wait while there are handles for the waiting transfers, but none may start."""


class Transfers[T]:
    """Carries out transfers, at most `max_in_flight` at a time.

    Attributes:
        tick_seconds: shortest time for which it waits for answers.
        gather_seconds: time for which it waits for more answers after the first, if no transfer may start.
    """

    def __init__(
        self,
        *,
        max_in_flight: int,
        ca_file: str,
        tick_seconds: float,
        gather_seconds: float = 0.0,
    ) -> None:
        self._ca_file = ca_file
        self._tick_seconds = tick_seconds
        self._gather_seconds = gather_seconds
        self._multi = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_MAXCONNECTS, max_in_flight)
        self._unmade = max_in_flight
        self._idle: list[pycurl.Curl] = []
        self._in_flight: dict[pycurl.Curl, T] = {}

    def carry_out(self, policy: Policy[T], seconds: float) -> None:
        """Return when all transfers are finished or time runs out; unfinished requests are aborted."""
        backlog = policy.backlog
        ends = time.monotonic() + seconds
        try:
            while (now := time.monotonic()) < ends and (backlog or self._in_flight):
                backlog.due(now)
                self._start(policy, backlog, now)
                self._multi.perform()
                self._finish(policy, backlog)
                self._wait(policy, backlog, ends)
        finally:
            self._abandon()
        if backlog.reasons:
            logger.warning("requests were answered with errors", reasons=dict(backlog.reasons.most_common(10)))

    def _start(self, policy: Policy[T], backlog: Backlog[T], now: float) -> None:
        waiting = backlog.waiting
        for _ in range(policy.admit(min(len(waiting), len(self._idle) + self._unmade), now)):
            if not self._idle:
                self._make()
            handle = self._idle[-1]
            policy.prepare(handle, waiting[0])
            self._in_flight[self._idle.pop()] = waiting.popleft()
            self._multi.add_handle(handle)

    def _make(self) -> None:
        self._unmade -= 1
        handle = pycurl.Curl()
        handle.setopt(pycurl.NOSIGNAL, 1)
        handle.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
        handle.setopt(pycurl.PROTOCOLS, pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS)
        handle.setopt(pycurl.PROXY, "")
        handle.setopt(pycurl.CONNECTTIMEOUT_MS, _CONNECT_MILLISECONDS)
        handle.setopt(pycurl.TIMEOUT_MS, _REQUEST_MILLISECONDS)
        handle.setopt(pycurl.TCP_KEEPALIVE, 1)
        handle.setopt(pycurl.WRITEFUNCTION, len)
        handle.setopt(pycurl.CAINFO, self._ca_file)
        self._idle.append(handle)

    def _finish(self, policy: Policy[T], backlog: Backlog[T]) -> None:
        more = 1
        while more:
            more, done, broken = self._multi.info_read()
            for handle in done:
                policy.answered(self._release(handle), handle.getinfo(pycurl.RESPONSE_CODE))
            for handle, number, _ in broken:
                backlog.reasons[f"curl {number}"] += 1
                policy.broken(self._release(handle))

    def _release(self, handle: pycurl.Curl) -> T:
        self._multi.remove_handle(handle)
        self._idle.append(handle)
        return self._in_flight.pop(handle)

    def _wait(self, policy: Policy[T], backlog: Backlog[T], ends: float) -> None:
        """Wait until there is something to do.

        The last answers of a call are handled together, which costs a fraction of waking up for each of them.
        """
        if backlog.waiting and (self._idle or self._unmade):
            policy.hold()
            return
        now = time.monotonic()
        next_try = ends if backlog.next_try is None else backlog.next_try
        seconds = max(self._tick_seconds, min(_LONGEST_WAIT_SECONDS, next_try - now, ends - now))
        if self._in_flight:
            self._multi.select(seconds)
            if self._gather_seconds and not backlog.waiting:
                time.sleep(self._gather_seconds)
        elif backlog:
            time.sleep(seconds)

    def _abandon(self) -> None:
        """Abort the unanswered requests; their TCP connections are not used again."""
        for handle in list(self._in_flight):
            self._release(handle)
