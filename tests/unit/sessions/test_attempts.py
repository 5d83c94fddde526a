"""A session's attempts, and its end when it floods."""

from collections import Counter

import pytest

from loudhailer.errors import TransientError
from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.attempts import Attempts, AttemptsByTens
from loudhailer.limits.model import frames_of_session, share_of
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.sessions import MemorySessionStore

ACME, S1 = TenantId("acme"), SessionId("s1")
NOW = 960
FRAMES = frames_of_session(ACME, S1)


class AttemptsFixture:
    """A session, and attempts that are counted for it."""

    def __init__(self) -> None:
        self.sessions, self.limits = MemorySessionStore(), MemoryLimitStore()
        self.sessions.renew(ACME, S1, player=None, expires_at=NOW + 300, now=NOW)
        self.attempts = Attempts(self.sessions, self.limits)

    def count(self, times: int = 1, now: int = NOW) -> int:
        """Counts attempts; a flood is more than ten times two."""
        return self.attempts.count(ACME, S1, FRAMES, limit=2, now=now, times=times)

    @property
    def is_open(self) -> bool:
        """Tell whether the session exists."""
        return self.sessions.get(ACME, S1) is not None


@pytest.fixture
def attempts() -> AttemptsFixture:
    """No attempt yet."""
    return AttemptsFixture()


def test_each_attempt_gets_its_number(attempts: AttemptsFixture) -> None:
    """Each minute begins at one; up to ten times the limit the session exists."""
    assert [attempts.count() for _ in range(3)] == [1, 2, 3]
    assert attempts.count(17) == 20
    assert attempts.is_open
    assert attempts.count(now=NOW + 60) == 1


def test_a_flooding_session_is_ended_once(attempts: AttemptsFixture, counted: Counter[str]) -> None:
    """Another environment finds it gone, and does not count it again."""
    other = Attempts(attempts.sessions, attempts.limits)
    assert attempts.count(21) == 21
    assert not attempts.is_open
    assert other.count(ACME, S1, FRAMES, limit=2, now=NOW) == 22
    assert counted["SessionFlooded"] == 1


def test_an_ended_session_costs_no_further_write(attempts: AttemptsFixture) -> None:
    """This environment remembers it until the minute is over; any number it tells is past the flood."""
    attempts.count(21)
    assert (attempts.count(), attempts.count(5)) == (21, 25)
    assert attempts.limits.minutes == {FRAMES.key(NOW): 21}
    assert attempts.count(now=NOW + 60) == 1


def test_a_session_that_could_not_be_ended_is_retried(
    attempts: AttemptsFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is remembered before it is done."""

    def fail(*_: object) -> bool:
        raise TransientError("a transaction is at work on the row")

    with monkeypatch.context() as patch:
        patch.setattr(attempts.sessions, "delete", fail)
        with pytest.raises(TransientError):
            attempts.count(21)
    assert attempts.is_open
    assert attempts.count() == 22
    assert not attempts.is_open


def test_an_environment_remembers_a_thousand_flooding_sessions(attempts: AttemptsFixture) -> None:
    """Its memory is bounded; what it has forgotten is counted again."""
    first = SessionId("x0")
    for number in range(1_000):
        session = SessionId(f"x{number}")
        attempts.attempts.count(ACME, session, frames_of_session(ACME, session), limit=1, now=NOW, times=11)
    assert attempts.attempts.count(ACME, first, frames_of_session(ACME, first), limit=1, now=NOW) == 11
    attempts.count(21)
    assert attempts.attempts.count(ACME, first, frames_of_session(ACME, first), limit=1, now=NOW) == 12


@pytest.mark.parametrize(("limit", "share", "most"), [(60, 0.25, 15), (10, 0.25, 2), (1, 0.01, 1), (7, 1.0, 7)])
def test_a_share_is_a_whole_number_and_one_at_least(limit: int, share: float, most: int) -> None:
    """A tenant with a small limit must not lock out all of its sessions."""
    assert share_of(limit, share) == most


def test_attempts_by_tens_are_counted_at_each_tenth(attempts: AttemptsFixture) -> None:
    """Nine cost no write, in this minute and in the next one."""
    by_tens = AttemptsByTens(lambda _: attempts.attempts)
    assert not any(by_tens.floods(ACME, S1, FRAMES, limit=20, now=NOW) for _ in range(19))
    assert attempts.limits.minutes == {FRAMES.key(NOW): 10}
    assert not any(by_tens.floods(ACME, S1, FRAMES, limit=20, now=NOW + 60) for _ in range(9))
    assert attempts.limits.minutes == {FRAMES.key(NOW): 10}


@pytest.mark.parametrize("limit", [1, 2, 9])
def test_a_session_limited_to_fewer_than_ten_attempts_is_counted_in_steps_of_its_limit(
    attempts: AttemptsFixture, limit: int
) -> None:
    """It is not ended before it has tried more than ten times its limit."""
    by_tens = AttemptsByTens(lambda _: attempts.attempts)
    answers = [by_tens.floods(ACME, S1, FRAMES, limit=limit, now=NOW) for _ in range(12 * limit)]
    assert answers.index(True) == 11 * limit - 1


def test_attempts_by_tens_flood_until_the_minute_is_over(attempts: AttemptsFixture) -> None:
    """The count that is past the limit ends the session, and all that follow are refused without a write.

    At two a minute that is each second one: a session's one attempt does not count as ten.
    """
    by_tens = AttemptsByTens(lambda _: attempts.attempts)
    answers = [by_tens.floods(ACME, S1, FRAMES, limit=2, now=NOW) for _ in range(45)]
    assert answers == [False] * 21 + [True] * 24
    assert not attempts.is_open
    assert attempts.limits.minutes == {FRAMES.key(NOW): 22}
    assert not by_tens.floods(ACME, S1, FRAMES, limit=2, now=NOW + 60)


def test_attempts_by_tens_that_cannot_be_counted_are_counted_ten_later() -> None:
    """The error goes to the caller once, not with each attempt."""

    def unreachable(tenant: TenantId) -> Attempts:
        raise TransientError(f"{tenant} cannot be reached")

    by_tens = AttemptsByTens(unreachable)
    for _ in range(2):
        assert not any(by_tens.floods(ACME, S1, FRAMES, limit=20, now=NOW) for _ in range(9))
        with pytest.raises(TransientError):
            by_tens.floods(ACME, S1, FRAMES, limit=20, now=NOW)
