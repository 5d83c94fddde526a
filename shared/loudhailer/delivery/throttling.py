"""The cause of a 429: the account's quota, or a client that does not read. One policy for every sender.

API Gateway answers 429 for both, with the same words:
https://docs.aws.amazon.com/botocore/latest/reference/services/apigatewaymanagementapi/client/exceptions/LimitExceededException.html

So a single answer does not show the cause. Two facts do: the number of refusals of the connection in a row, and the
share of posts that the account accepts at the same time. If the account refuses a share p of all posts, the
probability of n refusals in a row is p to the power of n. If that is improbable, the client is the cause.

- A connection's first refusal proves nothing. The connection is suspected, and no lane is slowed down.
- Each further refusal in a row multiplies the connection's probability by the share that the account refuses at that
  moment. While no other post is answered, that share is 1: missing answers are no evidence against a client.
- A slow client is returned at once. It is not tried again for a second, so that constant traffic to it costs little.
- The number of tries is limited: three in one call if other work waits for its end, six if not. Then the connection is
  returned as well, and has one try in each call until a post to it is accepted.
- A connection is a witness that the account was throttled if a later try succeeds, and it was not refused while most
  others were accepted. Two witnesses within half a second slow a lane down, and nothing else does. A connection is a
  witness once a minute at most, so clients that read irregularly cannot keep a lane slow.
"""

import math
import random
from collections import OrderedDict
from dataclasses import dataclass

from loudhailer.delivery.outcome import Outcome
from loudhailer.ids import ConnectionId
from loudhailer.observability import count

TRIES = 6
"""Refusals in one call after which a connection is returned, whatever the cause: about 0.5 s."""

FEW_TRIES = 3
"""The same if other work waits and the post is delivered again: about 0.06 s."""

ONE_TRY = 1
"""The same for posts that are delivered again: they have waited already."""

REST_SECONDS = 1.0
"""Seconds in which a returned connection is not tried: its posts are delivered again after a second at the earliest."""

_IMPROBABLE = 1 / 300
"""Probability below which a client counts as slow: two further refusals while the account accepts 19 of 20 posts. Posts
that are judged wrongly are delivered again."""

_LIKELY = 1 / 2
"""Probability above which a connection is no witness: it was refused while at least half of all posts were refused."""

_HALF_LIFE_SECONDS = 0.5
"""Half-life of an answer's weight. The account changes quickly: a bucket of 5,000 is full again after half a second."""

_SMALLEST_SHARE = 0.03
"""Throttles are applied on a best-effort basis, so a single further refusal is never proof:
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html"""

_PRIOR_REFUSALS = 0.1
"""Refusals with which the share starts, and to which it returns with time: it is 1 until a post is accepted."""

_MEMORY_SECONDS = 60.0
"""Seconds until a connection is forgotten: a slow client is tried again within 16 seconds if it has posts."""

_MEMORY_CONNECTIONS = 10_000
"""About 2 MB."""

_FIRST_PAUSE_SECONDS = 0.02
"""Base of the pause before another try. It is short, since each client that does not read keeps a worker from others.
It is long enough for 200 more posts of the account, so that not all tries meet the same empty bucket."""
_DOUBLINGS = 3


def pause_before(another_try: int) -> float:
    """Return the seconds before another try, counted from 1; jitter spreads posts that were tried together."""
    doublings = min(another_try - 1, _DOUBLINGS)
    return _FIRST_PAUSE_SECONDS * float(2**doublings) * random.uniform(0.5, 1.5)  # noqa: S311  # jitter


@dataclass(slots=True)
class _Suspect:
    """A connection that was refused.

    Attributes:
        refused_at: time of the last refusal.
        refusals: number of refusals in a row; 0 after an accepted post.
        chance: probability that the account alone causes so many refusals in a row.
        returned: its tries were used up, and no post was accepted since.
        witnessed: it has been a witness.
    """

    refused_at: float
    refusals: int = 0
    chance: float = 1.0
    returned: bool = False
    witnessed: bool = False

    def verdict(self) -> Outcome | None:
        """Return the outcome of a post that is not repeated."""
        if self.chance < _IMPROBABLE:
            return Outcome.SLOW
        return Outcome.THROTTLED if self.returned else None


class Throttling:
    """A judgement of the account and of the clients, from the answers to the posts of one process.

    Times are seconds of any monotonic clock.
    """

    def __init__(self) -> None:
        self._accepted = 0.0
        self._refused = 0.0
        self._faded_at = 0.0
        self._witness_at = -math.inf
        self._suspects: OrderedDict[ConnectionId, _Suspect] = OrderedDict()

    def resting(self, connection: ConnectionId, now: float) -> Outcome | None:
        """Return the outcome of a post that is not sent, because its connection was returned a moment ago."""
        suspect = self._suspects.get(connection)
        if suspect is None or now - suspect.refused_at >= REST_SECONDS:
            return None
        return _counted(suspect.verdict())

    def accepted(self, connection: ConnectionId, now: float) -> bool:
        """Note that the account accepted a post; return whether this shows that the account was throttled."""
        self._fade(now)
        self._accepted += 1
        suspect = self._suspects.get(connection)
        if suspect is None or not suspect.refusals:
            return False
        if suspect.verdict() is None:
            count("PostThrottled", suspect.refusals)
        is_throttled = False
        if suspect.chance > _LIKELY and not suspect.witnessed and now - suspect.refused_at < REST_SECONDS:
            is_throttled = now - self._witness_at < _HALF_LIFE_SECONDS
            self._witness_at = now
            suspect.witnessed = True
        suspect.refusals, suspect.chance, suspect.returned = 0, 1.0, False
        return is_throttled

    def refused(self, connection: ConnectionId, now: float, *, last: bool) -> Outcome | None:
        """Note a 429; return the outcome if the post is not repeated in this call, or this was the `last` try."""
        self._fade(now)
        suspect = self._suspect(connection, now)
        suspect.refused_at = now
        suspect.refusals += 1
        if suspect.refusals == 1:
            self._refused += 1
        else:
            refused = self._refused + _PRIOR_REFUSALS
            suspect.chance *= max(_SMALLEST_SHARE, refused / (refused + self._accepted))
        if last and not suspect.returned:
            suspect.returned = True
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
        remaining_weight = 0.5 ** ((now - self._faded_at) / _HALF_LIFE_SECONDS)
        self._accepted *= remaining_weight
        self._refused *= remaining_weight
        self._faded_at = now


def _counted(outcome: Outcome | None) -> Outcome | None:
    if outcome is Outcome.SLOW:
        count("ClientBufferFull")
    return outcome
