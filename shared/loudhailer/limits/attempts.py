"""A session's attempts are counted before anything else is done for them, and a session that floods is ended.

The session is counted first, and what is too much for it counts for nobody else: no session uses up its tenant's minute
with what it is refused. Of what its tenant may do in a minute a session gets a share at most, see `share_of`.

Ten times over its limit the session is deleted. The stream of the sessions has `end_session` close its connections.
"""

from collections import Counter
from collections.abc import Callable

from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.model import MinuteCounter, minute_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.sessions.port import SessionStore

FLOOD = 10
"""A session is ended when it has tried more than so many times its limit in a minute."""

_COUNTED_TOGETHER = 10

_REMEMBERED = 1_000


class Attempts:
    """Counts the attempts of one tenant's sessions."""

    def __init__(self, sessions: SessionStore, limits: LimitStore) -> None:
        self._sessions = sessions
        self._limits = limits
        self._flooded: set[str] = set()

    def count(
        self, tenant: TenantId, session: SessionId, counter: MinuteCounter, *, limit: int, now: int, times: int = 1
    ) -> int:
        """Count so many attempts of the session in the minute of `now`; how many there are in it by now, or more.

        Past FLOOD times the limit the session is ended. Then it costs this environment no write any more: for the rest
        of the minute it is told a number that is past it.

        Raises:
            TransientError: they may be counted or not; or the session floods and may be ended or not.
        """
        key = counter.key(now)
        if key in self._flooded:
            return FLOOD * limit + times
        counted = self._limits.count_in_minute(counter, now, times)
        if counted > FLOOD * limit:
            self._end(tenant, session, counted)
            self._remember(key)
        return counted

    def _end(self, tenant: TenantId, session: SessionId, counted: int) -> None:
        if self._sessions.delete(tenant, session):
            count("SessionFlooded")
            logger.warning("a session that floods is ended", tenant_id=tenant, attempts=counted)

    def _remember(self, key: str) -> None:
        if len(self._flooded) >= _REMEMBERED:
            self._flooded.clear()
        self._flooded.add(key)


class AttemptsByTens:
    """Counts what sessions send now and then, and shall cost nothing as long as they do.

    An environment counts a session's attempts by tens, and up to nine in a minute not at all; by so many as the limit,
    if that is lower.
    """

    def __init__(self, attempts_of: Callable[[TenantId], Attempts]) -> None:
        self._attempts_of = attempts_of
        self._minute = 0
        self._seen: Counter[tuple[TenantId, SessionId]] = Counter()
        self._flooding: set[tuple[TenantId, SessionId]] = set()

    def floods(self, tenant: TenantId, session: SessionId, counter: MinuteCounter, *, limit: int, now: int) -> bool:
        """Count an attempt; tell whether the session has tried more than FLOOD times the limit in the minute of `now`.

        Raises:
            TransientError: the attempts since the last count may be counted or not.
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
    """The attempts that `AttemptsByTens` counts by one write, where a session has so many in a minute."""
    return max(1, min(_COUNTED_TOGETHER, limit))
