"""The cause of a 429: the account's quota, or a client that does not read. One policy for everything that posts.

API Gateway answers 429 for both, in the same words:
https://docs.aws.amazon.com/botocore/latest/reference/services/apigatewaymanagementapi/client/exceptions/LimitExceededException.html
So one answer does not tell. Two things do: how often a connection was refused in a row, and how much the account lets
in meanwhile. An account that refuses a share p of all posts refuses the same connection n times more with a chance of p
to the power of n. If that is improbable, the cause is the client.

- A connection's first refusal says nothing. The connection comes under suspicion, and no lane is lowered.
- Each further refusal in a row multiplies the connection's chance by the share that the account refuses at that moment.
  While nobody else is answered, that share is 1: silence is no evidence against a client.
- A slow client is handed on at once. It is not asked again for a second, so that constant traffic to it costs little.
- Tries are bounded, whatever the others do: three in one call where others' work waits for its end, and six where it
  does not. Then the connection is handed on as well, and has one try in each call until it is let in.
- A connection that is let in on another try, and was not refused while most others got in, is a witness that the
  account was throttled. Two witnesses in half a second lower a lane, and nothing else does. A connection is a witness
  once a minute, so clients that read by fits and starts cannot keep a lane down.
"""

import math
import random
from collections import OrderedDict
from dataclasses import dataclass

from loudhailer.delivery.outcome import Outcome
from loudhailer.ids import ConnectionId
from loudhailer.observability import count

TRIES = 6
"""Refusals in one call after which a connection is handed on, whatever the cause: about 0.5 s."""

FEW_TRIES = 3
"""The same where others' work waits, and where the post is brought again: about 0.06 s."""

ONE_TRY = 1
"""The same for what is brought again: it has been waited for already."""

REST_SECONDS = 1.0
"""The time that a connection which was handed on is left alone: it is brought again after a second at the earliest."""

_IMPROBABLE = 1 / 300
"""Two further refusals while the account lets in 19 of 20. Posts that are misjudged are brought again."""

_LIKELY = 1 / 2
"""A connection with a better chance was refused while as many others were refused as let in, or more."""

_HALF_LIFE_SECONDS = 0.5
"""Answers count for so long, since the account changes quickly: a bucket of 5,000 is full again after half a second."""

_SMALLEST_SHARE = 0.03
"""Throttles are applied on a best-effort basis, so a single further refusal is never proof:
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html"""

_PRIOR_REFUSALS = 0.1
"""The share begins with these refusals, and comes back to them when answers are old: it is 1 until a post is let in."""

_MEMORY_SECONDS = 60.0
"""A slow client is asked again within 16 seconds: a connection that is not for so long has no posts."""

_MEMORY_CONNECTIONS = 10_000
"""About 2 MB."""

_FIRST_PAUSE_SECONDS = 0.02
"""Short, since each client that does not read keeps a worker from others. An account gets 200 more posts in that time:
it is not so short that all tries meet the same empty bucket."""
_DOUBLINGS = 3


def pause_before(another_try: int) -> float:
    """The seconds that a post waits for another try, counted from 1; jitter spreads posts that were tried together."""
    doublings = min(another_try - 1, _DOUBLINGS)
    return _FIRST_PAUSE_SECONDS * float(2**doublings) * random.uniform(0.5, 1.5)  # noqa: S311  # jitter


@dataclass(slots=True)
class _Suspect:
    """A connection that was refused.

    Attributes:
        refused_at: when that was last.
        refusals: how often in a row; 0 once it was let in.
        chance: how likely the account alone refuses it so often in a row.
        handed_on: its tries were used up, and it was not let in since.
        witnessed: it has been a witness.
    """

    refused_at: float
    refusals: int = 0
    chance: float = 1.0
    handed_on: bool = False
    witnessed: bool = False

    def verdict(self) -> Outcome | None:
        """The outcome of a post that is not worth another try."""
        if self.chance < _IMPROBABLE:
            return Outcome.SLOW
        return Outcome.THROTTLED if self.handed_on else None


class Throttling:
    """A judgement of the account and of the clients, from the answers to the posts of one process.

    Times are those of any clock that does not go back, in seconds.
    """

    def __init__(self) -> None:
        self._let_in = 0.0
        self._refused = 0.0
        self._faded_at = 0.0
        self._witness_at = -math.inf
        self._suspects: OrderedDict[ConnectionId, _Suspect] = OrderedDict()

    def resting(self, connection: ConnectionId, now: float) -> Outcome | None:
        """The outcome of a post that is not sent, because its connection was handed on so shortly before."""
        suspect = self._suspects.get(connection)
        if suspect is None or now - suspect.refused_at >= REST_SECONDS:
            return None
        return _counted(suspect.verdict())

    def let_in(self, connection: ConnectionId, now: float) -> bool:
        """Note that the account let a post in, whatever became of it; whether this shows that it was throttled."""
        self._fade(now)
        self._let_in += 1
        suspect = self._suspects.get(connection)
        if suspect is None or not suspect.refusals:
            return False
        if suspect.verdict() is None:
            count("PostThrottled", suspect.refusals)
        shows = False
        if suspect.chance > _LIKELY and not suspect.witnessed and now - suspect.refused_at < REST_SECONDS:
            shows = now - self._witness_at < _HALF_LIFE_SECONDS
            self._witness_at = now
            suspect.witnessed = True
        suspect.refusals, suspect.chance, suspect.handed_on = 0, 1.0, False
        return shows

    def refused(self, connection: ConnectionId, now: float, *, last: bool) -> Outcome | None:
        """Note a 429; the outcome, if the post is not worth another try in this call, or this was the `last` one."""
        self._fade(now)
        suspect = self._suspect(connection, now)
        suspect.refused_at = now
        suspect.refusals += 1
        if suspect.refusals == 1:
            self._refused += 1
        else:
            refused = self._refused + _PRIOR_REFUSALS
            suspect.chance *= max(_SMALLEST_SHARE, refused / (refused + self._let_in))
        if last and not suspect.handed_on:
            suspect.handed_on = True
            if suspect.chance > _LIKELY:
                count("PostThrottled", suspect.refusals)
        return _counted(suspect.verdict())

    def _suspect(self, connection: ConnectionId, now: float) -> _Suspect:
        suspect = self._suspects.pop(connection, None)
        if suspect is None or now - suspect.refused_at >= _MEMORY_SECONDS:
            suspect = _Suspect(now)
        self._suspects[connection] = suspect
        if len(self._suspects) > _MEMORY_CONNECTIONS:
            self._suspects.popitem(last=False)
        return suspect

    def _fade(self, now: float) -> None:
        left = 0.5 ** ((now - self._faded_at) / _HALF_LIFE_SECONDS)
        self._let_in *= left
        self._refused *= left
        self._faded_at = now


def _counted(outcome: Outcome | None) -> Outcome | None:
    if outcome is Outcome.SLOW:
        count("ClientBufferFull")
    return outcome
