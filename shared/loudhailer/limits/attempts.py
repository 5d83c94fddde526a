"""Count a session's attempts before any other work is done for them, and delete a session that floods.

The session is counted first, and attempts over its limit do not count for its tenant: a session cannot use up its
tenant's limit with refused attempts. A session gets at most a share of its tenant's limit, see `share_of`.

At ten times its limit the session is deleted. The stream of the sessions then triggers `end_session`, which closes its
connections.
"""

from collections import Counter
from collections.abc import Callable

from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.model import MinuteCounter, minute_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.sessions.port import SessionStore

FLOOD = 10
"""Multiple of its limit at which a session is deleted."""

_COUNTED_TOGETHER = 10

_MOST_REMEMBERED = 1_000


class Attempts:
    """Counts the attempts of one tenant's sessions."""

    def __init__(self, sessions: SessionStore, limits: LimitStore) -> None:
        self._sessions = sessions
        self._limits = limits
        self._flooded: set[str] = set()

    def count(
        self, tenant: TenantId, session: SessionId, counter: MinuteCounter, *, limit: int, now: int, times: int = 1
    ) -> int:
        """Count attempts of the session in the minute of `now`; return the number so far, or a higher one.

        At FLOOD times the limit the session is deleted. After that it costs this environment no writes: for the rest of
        the minute a number above that is returned.

        Raises:
            TransientError: it is unknown whether they were counted; or the session floods, and it is unknown whether it
                was deleted.
        """
        key = counter.key(now)
        if key in self._flooded:
            return FLOOD * limit + times
        counted = self._limits.count_in_minute(counter, now, times)
        if counted > FLOOD * limit:
            self._delete_session(tenant, session, counted)
            self._remember(key)
        return counted

    def _delete_session(self, tenant: TenantId, session: SessionId, counted: int) -> None:
        if self._sessions.delete(tenant, session):
            count("SessionFlooded")
            logger.warning("a session that floods is ended", tenant_id=tenant, attempts=counted)

    def _remember(self, key: str) -> None:
        if len(self._flooded) >= _MOST_REMEMBERED:
            self._flooded.clear()
        self._flooded.add(key)


class AttemptsByTens:
    """Counts attempts that are usually rare, at no cost while they are.

    An environment counts a session's attempts in tens, and does not count up to nine in a minute. If the limit is lower
    than ten, it counts in units of the limit.
    """

    def __init__(self, attempts_of: Callable[[TenantId], Attempts]) -> None:
        self._attempts_of = attempts_of
        self._minute = 0
        self._seen: Counter[tuple[TenantId, SessionId]] = Counter()
        self._flooding: set[tuple[TenantId, SessionId]] = set()

    def floods(self, tenant: TenantId, session: SessionId, counter: MinuteCounter, *, limit: int, now: int) -> bool:
        """Count an attempt; tell whether the session exceeds FLOOD times the limit in the minute of `now`.

        Raises:
            TransientError: it is unknown whether the attempts since the last count were counted.
        """
        if minute_of(now) != self._minute:
            self._minute = minute_of(now)
            self._seen.clear()
            self._flooding.clear()
        key = tenant, session
        self._seen[key] += 1
        together = counted_together(limit)
        if key not in self._flooding and self._seen[key] % together == 0:
            attempts = self._attempts_of(tenant)
            if attempts.count(tenant, session, counter, limit=limit, now=now, times=together) > FLOOD * limit:
                self._flooding.add(key)
        return key in self._flooding


def counted_together(limit: int) -> int:
    """Number of attempts that `AttemptsByTens` counts with one write, if a session makes so many in a minute."""
    return max(1, min(_COUNTED_TOGETHER, limit))
