"""A tenant's budget of posts to rooms in a minute: frames x members.

A session uses at most its share of the tenant's budget. A frame that does not fit uses nothing, and leaves the rest to
smaller rooms. The first frame of a minute always fits: in a room that is larger than the budget, one message a minute
is possible.
"""

from collections.abc import Callable

from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.model import MinuteCounter, minute_of, posts_of_session, posts_of_tenant, share_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count


class PostBudget:
    """The budget of one tenant; a session may use `session_share` of it."""

    def __init__(self, limits: LimitStore, *, session_share: float, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._session_share = session_share
        self._clock = clock
        self._minute = 0
        self._refused: dict[MinuteCounter, int] = {}

    def share(self, budget: int) -> int:
        """Return the number of posts that one session may use of its tenant's."""
        return share_of(budget, self._session_share)

    def take(self, tenant: TenantId, session: SessionId, posts: int, *, budget: int) -> bool:
        """Use posts of this minute; return False if fewer are left of `budget`, the tenant's.

        Raises:
            TransientError: it is unknown whether they were used.
        """
        now = int(self._clock())
        if minute_of(now) != self._minute:
            self._minute = minute_of(now)
            self._refused.clear()
        own, common = posts_of_session(tenant, session), posts_of_tenant(tenant)
        if posts == 0 or self._take_of_both(own, common, now, posts, budget):
            return True
        count("PostBudgetReached")
        return False

    def _take_of_both(self, own: MinuteCounter, common: MinuteCounter, now: int, posts: int, budget: int) -> bool:
        """Take posts from both the session's counter and the tenant's, or from neither."""
        if self._is_refused(common, posts) or not self._take(own, now, posts, self.share(budget)):
            return False
        if self._take(common, now, posts, budget):
            return True
        self._limits.count_in_minute(own, now, -posts)  # given back
        return False

    def _take(self, counter: MinuteCounter, now: int, posts: int, maximum: int) -> bool:
        """Take posts from a counter; an amount that did not fit is refused without a write for the minute."""
        if self._is_refused(counter, posts):
            return False
        if self._limits.take_in_minute(counter, now, posts, maximum=maximum):
            return True
        self._refused[counter] = posts
        return False

    def _is_refused(self, counter: MinuteCounter, posts: int) -> bool:
        return posts >= self._refused.get(counter, posts + 1)
