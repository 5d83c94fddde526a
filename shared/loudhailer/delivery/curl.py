"""The sender on libcurl: one frame to very many connections, at the rate of a lane.

Work that is the same for all posts is done once: the signing key and the payload's hash are shared, and each post costs
one signature in Python.
"""

import math
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import override

import pycurl

from loudhailer.delivery.certificates import TRUSTED
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import BY_STATUS, Outcome
from loudhailer.delivery.sender import Sender
from loudhailer.delivery.sigv4 import Credentials, PostSigner, Signer
from loudhailer.delivery.throttling import FEW_TRIES, Throttling
from loudhailer.delivery.transfers import MAX_IN_FLIGHT, NO_TYPE, Backlog, Transfers
from loudhailer.ids import ConnectionId

_FAILURES_IN_PLACE = 2
_LONGEST_HOLD_SECONDS = 0.05
_TICK_SECONDS = 0.03
_GATHER_SECONDS = 0.004


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
        self._transfers = Transfers[int](
            max_in_flight=max_in_flight, ca_file=ca_file, tick_seconds=_TICK_SECONDS, gather_seconds=_GATHER_SECONDS
        )

    @override
    def post(
        self,
        endpoint: str,
        connections: Sequence[ConnectionId],
        payload: bytes,
        *,
        seconds: float,
        starts_within: float = math.inf,
        tries: int = FEW_TRIES,
    ) -> list[Outcome]:
        now = time.monotonic()
        resting = [self._throttling.resting(connection, now) for connection in connections]
        posts = _Posts(
            connections,
            [outcome or Outcome.UNSENT for outcome in resting],
            Backlog(deque(position for position, outcome in enumerate(resting) if outcome is None)),
            most_refusals=tries,
            payload=payload,
            signing=PostSigner(endpoint, self._region, payload),
            credentials=self._credentials,
            lane=self._lane,
            starts_until=now + min(self._lane.patience, starts_within),
            throttling=self._throttling,
        )
        self._transfers.carry_out(posts, seconds)
        return posts.outcomes


@dataclass(slots=True)
class _Posts:
    """The policy for the posts of one call; a post is the index of its connection.

    Attributes:
        outcomes: the outcome of each post so far.
        most_refusals: number of 429 answers after which a post is not repeated.
        starts_until: a post that has not started by then is not sent; one that has is waited for.
        refusals: number of 429 answers of each post.
    """

    connections: Sequence[ConnectionId]
    outcomes: list[Outcome]
    backlog: Backlog[int]
    _: KW_ONLY
    most_refusals: int
    payload: bytes
    signing: PostSigner
    credentials: Callable[[], Credentials]
    lane: Lane
    starts_until: float
    throttling: Throttling
    signer: Signer = field(init=False)
    signed_second: int = -1
    tries: Counter[int] = field(default_factory=Counter)
    refusals: Counter[int] = field(default_factory=Counter)

    def admit(self, most: int, now: float) -> int:
        if now >= self.starts_until:
            self.backlog.waiting.clear()
            return 0
        if int(time.time()) != self.signed_second:
            self.signed_second = int(time.time())
            self.signer = self.signing.at(time.time(), self.credentials())
        return self.lane.take(most, now)

    def prepare(self, handle: pycurl.Curl, transfer: int) -> None:
        url, headers = self.signer.sign(self.connections[transfer])
        handle.setopt(pycurl.URL, url)
        handle.setopt(pycurl.HTTPHEADER, [headers, NO_TYPE])
        handle.setopt(pycurl.POSTFIELDS, self.payload)

    def answered(self, transfer: int, status: int) -> None:
        outcome = BY_STATUS.get(status, Outcome.FAILED)
        if outcome is Outcome.THROTTLED:
            self._refused(transfer)
        elif outcome is Outcome.FAILED:
            self.backlog.reasons[f"status {status}"] += 1
            self.broken(transfer)
        else:
            self.outcomes[transfer] = outcome
            now = time.monotonic()
            if self.throttling.accepted(self.connections[transfer], now):
                self.lane.throttled(now)

    def broken(self, transfer: int) -> None:
        self.outcomes[transfer] = Outcome.FAILED
        if self.tries[transfer] < _FAILURES_IN_PLACE:
            self._try_again(transfer, time.monotonic())

    def hold(self) -> None:
        """Wait for the lane, at least one tick, so that answers that arrive meanwhile are handled together.

        That costs a fraction of waking up for each answer. The bucket keeps the unused permissions for later posts.
        """
        if seconds := self.lane.wait():
            time.sleep(max(_TICK_SECONDS, min(seconds, _LONGEST_HOLD_SECONDS)))

    def _refused(self, transfer: int) -> None:
        """Repeat the post a few times: other chunks wait for the lane, and a refused post is returned to the shard."""
        now = time.monotonic()
        self.refusals[transfer] += 1
        last = self.refusals[transfer] >= self.most_refusals
        outcome = self.throttling.refused(self.connections[transfer], now, last=last)
        self.outcomes[transfer] = outcome or Outcome.THROTTLED
        if outcome is None:
            self._try_again(transfer, now)

    def _try_again(self, transfer: int, now: float) -> None:
        self.tries[transfer] += 1
        self.backlog.again(transfer, self.tries[transfer], now)
