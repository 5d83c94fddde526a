"""Kinds of lanes borrow the idle share of other kinds, and return it when those begin."""

from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.delivery.lending.policy import Lending
from loudhailer.errors import ConfigurationError
from tests.support.fakes.lanes import MemoryLaneStore
from tests.support.properties import examples
from tests.unit.broadcast.lending.lending_fixture import RATE, LaneWorker, LendingFixture, Time

TWO = {"normal": 0.9, "low": 0.1}
THREE = {"normal": 0.8, "low": 0.1, "express": 0.1}


@pytest.mark.parametrize("kind", ["normal", "low"])
def test_a_single_active_kind_has_the_whole_rate(kind: str) -> None:
    """Within 50 ms of its first post where nobody has posted for two seconds."""
    account = LendingFixture(TWO)
    account.announce(kind)
    account.run(0.05, kind)
    assert account.run(10, kind) == {kind: pytest.approx(RATE, rel=0.01)}


def test_the_first_posts_go_at_the_own_share() -> None:
    """Nothing is borrowed, and nothing asked, before the first posts are on their way."""
    account = LendingFixture(TWO)
    worker = account.workers["low"][0]
    account.time.go_on(0.01)
    assert worker.post() == int(RATE * 0.05 * 0.01)
    assert account.store.marks() == {}


def test_kinds_that_post_at_the_same_time_keep_to_their_shares() -> None:
    """Soon after both began at the same moment, and from then on; neither has borrowed for an instant."""
    account = LendingFixture(TWO)
    first = account.run(0.5, "normal", "low")
    assert sum(first.values()) <= RATE * 1.1
    rates = account.run(10, "normal", "low")
    assert rates == {"normal": pytest.approx(RATE * 0.9, rel=0.01), "low": pytest.approx(RATE * 0.1, rel=0.01)}
    assert account.lowest_level > 0


@pytest.mark.parametrize(("borrower", "owner"), [("low", "normal"), ("normal", "low")])
def test_a_starting_kind_has_its_share_at_once_and_borrowers_yield(borrower: str, owner: str) -> None:
    """After 0.3 seconds nobody has more than its share; the account's bucket has taken the rest."""
    account = LendingFixture(TWO)
    account.run(5, borrower)
    account.announce(owner)
    assert account.run(0.3, borrower, owner)[owner] >= RATE * TWO[owner] * 0.9
    rates = account.run(5, borrower, owner)
    assert rates == {kind: pytest.approx(RATE * TWO[kind], rel=0.01) for kind in TWO}
    assert account.lowest_level > 0


def test_the_rate_of_an_idle_kind_is_divided_by_shares() -> None:
    """One of three kinds is idle."""
    account = LendingFixture(THREE)
    account.run(1, "normal", "low")
    rates = account.run(5, "normal", "low")
    assert rates == {"normal": pytest.approx(RATE * 8 / 9, rel=0.01), "low": pytest.approx(RATE * 1 / 9, rel=0.01)}


def test_a_kind_is_idle_two_seconds_after_its_last_mark() -> None:
    """Not before, since its next mark may be on its way."""
    account = LendingFixture(TWO)
    account.run(5, "normal", "low")
    assert account.run(1.4, "low") == {"low": pytest.approx(RATE * 0.1, rel=0.02)}
    account.run(1, "low")
    assert account.run(2, "low") == {"low": pytest.approx(RATE, rel=0.01)}


def test_a_worker_reads_four_times_and_marks_twice_a_second_at_most() -> None:
    """That is all that lending costs, and only while something is posted."""
    account = LendingFixture(TWO, workers=1)
    called: Counter[str] = Counter()
    marks, mark = account.store.marks, account.store.mark

    def read() -> Mapping[str, int]:
        called["read"] += 1
        return marks()

    def write(kind: str, at: int) -> None:
        called[kind] += 1
        mark(kind, at)

    account.store.marks, account.store.mark = read, write  # type: ignore[method-assign]
    account.run(20, "normal")
    account.rest(20)
    assert 70 <= called["read"] <= 80
    assert 25 <= called["normal"] <= 40
    assert set(called) == {"read", "normal"}


@given(
    seed=st.integers(0, 2**32),
    shares=st.sampled_from([TWO, THREE, {"normal": 0.5, "low": 0.5}]),
    workers=st.integers(1, 3),
    quota=st.sampled_from([500.0, 2_500.0, 10_000.0]),
)
@examples(25)
def test_all_kinds_together_never_empty_the_accounts_bucket(
    seed: int, shares: dict[str, float], workers: int, quota: float
) -> None:
    """Kinds start and stop at random, clocks differ, monotonic clocks stop, reads are slow or lost."""
    random = Random(seed)  # noqa: S311  # a test repeats itself
    account = LendingFixture(shares, workers, quota)
    account.disturb(random, delay=0.05, lost=0.2)
    for worker in [worker for of_kind in account.workers.values() for worker in of_kind]:
        worker.clock_is_off_by = random.uniform(-0.2, 0.2)
    posting: set[str] = set()
    for _ in range(12):
        began = {kind for kind in shares if kind not in posting and random.random() < 0.5}
        for kind in sorted(began):
            account.announce(kind, by=random.uniform(-0.2, 0.2))
        posting = {kind for kind in sorted(posting) if random.random() < 0.6} | began
        seconds = random.choice([0.1, 0.5, 1.0, 2.5, 4.0])
        account.run(seconds, *sorted(posting), tick=lambda: random.uniform(0.005, 0.05))
        if random.random() < 0.5:
            for worker in [worker for kind in shares if kind not in posting for worker in account.workers[kind]]:
                worker.freeze(seconds)
    assert account.lowest_level > 0


@pytest.mark.parametrize("stood_still", [0, 60])
def test_a_resumed_worker_ignores_old_marks(stood_still: float) -> None:
    """Its monotonic clock ran or stopped: it soon finds that another kind has begun."""
    account = LendingFixture(TWO)
    account.run(3, "low")
    for worker in account.workers["low"]:
        worker.freeze(stood_still)
    account.rest(59)
    account.announce("normal")
    account.run(1, "normal")
    account.run(0.3, "normal", "low")
    assert account.run(5, "normal", "low")["low"] == pytest.approx(RATE * 0.1, rel=0.01)
    assert account.lowest_level > 0


def test_a_resumed_worker_borrows_after_its_next_look() -> None:
    """The marks are a minute old by its clock: nobody has posted meanwhile."""
    account = LendingFixture(TWO)
    account.run(5, "normal", "low")
    for worker in account.workers["low"]:
        worker.freeze(60)
    account.rest(60)
    account.run(0.3, "low")
    assert account.run(1, "low") == {"low": pytest.approx(RATE, rel=0.01)}


@pytest.mark.parametrize("off_by", [-5.0, 5.0])
def test_a_wrong_clock_is_detected(off_by: float) -> None:
    """Marks that are 5 s old or ahead do not decide: what counts is whether they change."""
    account = LendingFixture(TWO)
    for worker in account.workers["normal"]:
        worker.clock_is_off_by = off_by
    account.run(3, "normal")
    account.run(1, "normal", "low")
    rates = account.run(5, "normal", "low")
    assert rates == {"normal": pytest.approx(RATE * 0.9, rel=0.01), "low": pytest.approx(RATE * 0.1, rel=0.01)}
    account.run(2.5, "low")
    assert account.run(2, "low") == {"low": pytest.approx(RATE, rel=0.01)}


def test_a_hanging_read_delays_no_post_and_limits_its_kind_to_its_share() -> None:
    """From 0.4 seconds after the last look that was answered."""
    account = LendingFixture(TWO)
    account.run(2, "low")
    for worker in account.workers["low"]:
        worker.network.delay = lambda: 60.0
    account.run(0.45, "low")
    assert account.run(5, "low") == {"low": pytest.approx(RATE * 0.1, rel=0.02)}


def test_a_kind_with_slow_marks_borrows_nothing() -> None:
    """Others may take such a mark for an old one."""
    account = LendingFixture(TWO)
    for worker in account.workers["low"]:
        worker.network.delay = lambda: 0.3
    assert account.run(5, "low") == {"low": pytest.approx(RATE * 0.1, rel=0.02)}


def test_a_failed_read_is_counted_and_limits_the_lane_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else fails, and the next look may find out. The log says so once a minute."""
    counted: list[str] = []
    warnings: list[str] = []
    monkeypatch.setattr("loudhailer.delivery.lending.policy.count", counted.append)
    monkeypatch.setattr(
        "loudhailer.delivery.lending.policy.logger.warning", lambda message, **_: warnings.append(message)
    )
    account = LendingFixture(TWO, workers=1)
    (worker,) = account.workers["low"]
    worker.network.lost = lambda: True
    assert account.run(2, "low") == {"low": pytest.approx(RATE * 0.1, rel=0.02)}
    assert set(counted) == {"LanesUnknown"}
    assert 7 <= len(counted) <= 9
    assert len(warnings) == 1
    account.run(60, "low")
    assert len(warnings) == 2
    worker.network.lost = lambda: False
    account.run(0.3, "low")
    assert account.run(2, "low") == {"low": pytest.approx(RATE, rel=0.01)}


def test_a_killed_borrower_leaves_no_loan_behind() -> None:
    """Its last mark grows old, as that of a kind that has ended."""
    account = LendingFixture(TWO)
    account.run(5, "low")
    account.workers["low"] = [LaneWorker(account, "low", 2) for _ in range(2)]
    account.run(2.5, "normal")
    assert account.run(2, "normal") == {"normal": pytest.approx(RATE, rel=0.01)}
    assert account.lowest_level > 0


def test_marks_of_kinds_without_a_share_are_ignored() -> None:
    """Another release may know kinds that this one does not."""
    account = LendingFixture(TWO)
    account.announce("express")
    account.run(0.05, "low")
    assert account.run(1, "low") == {"low": pytest.approx(RATE, rel=0.01)}


def test_a_kind_without_a_share_is_refused() -> None:
    """The function does not start."""
    time = Time()
    with pytest.raises(ConfigurationError, match="no share is given for express"):
        Lending("express", TWO, MemoryLaneStore(), time, clock=lambda: time.now, monotonic=lambda: time.now)
