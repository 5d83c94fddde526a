"""The budget of a tenant's posts to rooms in a minute: frames x members.

The session's posts are taken first, of its share of the tenant's, and stop there. What does not fit takes nothing, so
that it leaves what there is to smaller rooms. The first frame of a minute always fits: a room that is larger than the
budget can be spoken in once a minute.
"""

from collections.abc import Callable

from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.model import MinuteCounter, minute_of, posts_of_session, posts_of_tenant, share_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count


class PostBudget:
    """The budget of one tenant; `session_share` is the share of it that a session gets at most."""

    def __init__(self, limits: LimitStore, *, session_share: float, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._session_share = session_share
        self._clock = clock
        self._minute = 0
        self._refused: dict[MinuteCounter, int] = {}

    def share(self, budget: int) -> int:
        """The posts of one session in a minute, of its tenant's."""
        return share_of(budget, self._session_share)

    def take(self, tenant: TenantId, session: SessionId, posts: int, *, budget: int) -> bool:
        """Take so many posts in this minute; False if they are more than is left of `budget`, the tenant's.

        Raises:
            TransientError: they may be taken or not.
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
        """Take posts of the session's counter and of its tenant's, or of neither."""
        if self._is_refused(common, posts) or not self._take(own, now, posts, self.share(budget)):
            return False
        if self._take(common, now, posts, budget):
            return True
        self._limits.count_in_minute(own, now, -posts)  # given back
        return False

    def _take(self, counter: MinuteCounter, now: int, posts: int, maximum: int) -> bool:
        """Take posts of a counter; what did not fit once in a minute does not later: that costs no write again."""
        if self._is_refused(counter, posts):
            return False
        if self._limits.take_in_minute(counter, now, posts, maximum=maximum):
            return True
        self._refused[counter] = posts
        return False

    def _is_refused(self, counter: MinuteCounter, posts: int) -> bool:
        return posts >= self._refused.get(counter, posts + 1)
