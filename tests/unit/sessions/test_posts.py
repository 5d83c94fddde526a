"""The budget of posts that messages to rooms may cause."""

from collections import Counter
from typing import Any, override

import pytest

from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.model import MinuteCounter
from loudhailer.limits.posts import PostBudget
from tests.support.fakes.limits import MemoryLimitStore

ACME, ANN, BOB, CID = TenantId("acme"), SessionId("ann"), SessionId("bob"), SessionId("cid")


class Watched(MemoryLimitStore):
    """The twin; `writes` counts what is asked of it."""

    writes = 0

    @override
    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        self.writes += 1
        return super().take_in_minute(counter, now, amount, maximum=maximum)


class PostBudgetFixture:
    """A budget of 100 posts, of which a session gets a half."""

    def __init__(self) -> None:
        self.limits = Watched()
        self.now = 960
        self.posts = PostBudget(self.limits, session_share=0.5, clock=lambda: self.now)

    def take(self, session: SessionId, *posts: int) -> list[bool]:
        """Take posts, one amount after the other."""
        return [self.posts.take(ACME, session, each, budget=100) for each in posts]


@pytest.fixture
def shares() -> PostBudgetFixture:
    """Nothing taken yet."""
    return PostBudgetFixture()


def test_a_session_stops_at_its_share(shares: PostBudgetFixture, counted: Counter[str]) -> None:
    """Refused posts take nothing from its tenant."""
    assert shares.take(ANN, 30, 20, 1) == [True, True, False]
    assert shares.take(BOB, 50) == [True]
    assert shares.take(CID, 1) == [False]
    assert counted["PostBudgetReached"] == 2


def test_an_amount_over_the_budget_leaves_room_for_smaller_ones(shares: PostBudgetFixture) -> None:
    """A large room must not silence the small ones."""
    assert shares.take(ANN, 30, 40, 15, 10, 5) == [True, False, True, False, True]


def test_the_first_frame_of_a_minute_always_fits(shares: PostBudgetFixture) -> None:
    """A room larger than the budget can be spoken in once a minute, by one session."""
    assert shares.take(ANN, 5_000, 1) == [True, False]
    assert shares.take(BOB, 5_000) == [False]
    shares.now += 60
    assert shares.take(BOB, 5_000) == [True]


def test_a_refused_amount_costs_no_further_write(shares: PostBudgetFixture) -> None:
    """In a minute it cannot fit later; a smaller amount may."""
    shares.take(ANN, 45)
    writes = shares.limits.writes
    shares.take(ANN, 10, 10, 11, 500)
    assert shares.limits.writes == writes + 1
    assert shares.take(ANN, 5) == [True]
    shares.now += 60
    assert shares.take(ANN, 10) == [True]


def test_an_amount_refused_by_the_tenants_budget_takes_nothing_from_the_session(shares: PostBudgetFixture) -> None:
    """A frame that the tenant's budget refuses leaves the session's share as it was."""
    shares.take(BOB, 50)
    shares.take(CID, 40)
    assert shares.take(ANN, 30, 20, 25, 10) == [False, False, False, True]


def test_no_posts_cost_nothing(shares: PostBudgetFixture) -> None:
    """A join of an empty room is announced to nobody."""
    assert shares.take(ANN, 0) == [True]
    assert shares.limits.writes == 0


def test_budgets_are_the_tenants_own() -> None:
    """One that is used up says nothing of another's, nor of the next minute."""
    limits, now = MemoryLimitStore(), [960]
    posts: dict[str, Any] = {
        name: PostBudget(limits, session_share=1.0, clock=lambda: now[0]) for name in ("acme", "acme-2")
    }
    taken = [posts[name].take(TenantId(name), ANN, 80, budget=100) for name in ("acme", "acme", "acme-2")]
    assert taken == [True, False, True]
    now[0] += 60
    assert posts["acme"].take(ACME, ANN, 80, budget=100)
