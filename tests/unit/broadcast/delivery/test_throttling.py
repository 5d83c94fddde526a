"""The policy that tells the account's quota from a client that does not read."""

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.throttling import FEW_TRIES, REST_SECONDS, TRIES, Throttling, pause_before
from loudhailer.ids import ConnectionId
from tests.support.broadcasts import connection
from tests.support.properties import examples

SLEEPER, OTHER, THIRD = connection(1), connection(2), connection(3)
PAUSES = (0.02, 0.04, 0.08, 0.16, 0.16)
MINUTE = 60.0
REMEMBERED = 10_000


def crowd(throttling: Throttling, number: int, now: float) -> None:
    """Let in posts to so many connections."""
    for place in range(number):
        throttling.accepted(connection(1_000 + place), now)


def refuse(
    throttling: Throttling, times: int, begin: float = 10.0, one: ConnectionId = SLEEPER
) -> list[Outcome | None]:
    """Refuse a connection so often in a row, with a sender's pauses; each verdict."""
    moments = [begin + sum(PAUSES[:number]) for number in range(times)]
    return [throttling.refused(one, now, last=number == TRIES) for number, now in enumerate(moments, 1)]


def test_a_first_refusal_is_no_evidence(counted: Counter[str]) -> None:
    """However many others are let in."""
    throttling = Throttling()
    crowd(throttling, 500, 10.0)
    assert refuse(throttling, 1) == [None]
    assert counted == {}


@pytest.mark.parametrize(
    ("others", "verdicts"),
    [
        (0, [None] * 5 + [Outcome.THROTTLED]),
        (1, [None] * 5 + [Outcome.THROTTLED]),
        (19, [None, None, Outcome.SLOW]),
        (499, [None, None, Outcome.SLOW]),
    ],
)
def test_a_connection_refused_while_others_are_accepted_is_slow(others: int, verdicts: list[Outcome | None]) -> None:
    """The more others, the sooner; and six tries are the most, whatever the others do."""
    throttling = Throttling()
    crowd(throttling, others, 10.0)
    assert refuse(throttling, len(verdicts)) == verdicts


@given(st.integers(1, 40), st.integers(1, 5))
def test_throttling_of_the_account_makes_no_connection_slow(connections: int, rounds: int) -> None:
    """Silence is no evidence against a client: the sixth try is still made."""
    throttling = Throttling()
    everyone = [connection(number) for number in range(connections)]
    now = 0.0
    for pause in PAUSES[:rounds]:
        assert {throttling.refused(one, now, last=False) for one in everyone} == {None}
        now += pause
    assert [throttling.refused(one, now, last=rounds == len(PAUSES)) is Outcome.SLOW for one in everyone] == [
        False for _ in everyone
    ]


def test_an_old_acceptance_is_no_evidence() -> None:
    """The account's share is that of the moment."""
    throttling = Throttling()
    crowd(throttling, 500, 10.0)
    assert refuse(throttling, TRIES, begin=40.0)[-1] is Outcome.THROTTLED


def test_a_slow_client_is_skipped_for_a_second_and_then_tried_once(counted: Counter[str]) -> None:
    """Each time that it is not asked, or refuses, counts as its full buffer, and none as the quota."""
    throttling = Throttling()
    crowd(throttling, 50, 10.0)
    assert refuse(throttling, 3)[-1] is Outcome.SLOW
    asked_at = 10.0 + sum(PAUSES[:2])
    assert throttling.resting(SLEEPER, asked_at + REST_SECONDS / 2) is Outcome.SLOW
    assert throttling.resting(OTHER, asked_at) is None
    assert throttling.resting(SLEEPER, asked_at + REST_SECONDS) is None
    assert throttling.refused(SLEEPER, asked_at + REST_SECONDS, last=False) is Outcome.SLOW
    assert counted == {"ClientBufferFull": 3}


def test_a_slow_connection_that_is_accepted_again_is_normal(counted: Counter[str]) -> None:
    """Its refusals in a row start again; those of a slow client were not the quota's."""
    throttling = Throttling()
    crowd(throttling, 50, 10.0)
    refuse(throttling, 3)
    assert not throttling.accepted(SLEEPER, 12.0)
    assert throttling.resting(SLEEPER, 12.1) is None
    assert refuse(throttling, 2, begin=13.0) == [None, None]
    assert counted["PostThrottled"] == 0


def test_refusals_of_connections_accepted_later_count_as_the_quotas(counted: Counter[str]) -> None:
    """All of them count; where six were not enough, they count at once and only once."""
    throttling = Throttling()
    refuse(throttling, 5)
    throttling.accepted(SLEEPER, 11.3)
    assert counted == {"PostThrottled": 5}
    refuse(throttling, TRIES, begin=20.0, one=OTHER)
    throttling.refused(OTHER, 22.0, last=False)
    throttling.accepted(OTHER, 23.0)
    assert counted == {"PostThrottled": 11}


def test_two_simultaneous_witnesses_prove_throttling_of_the_account() -> None:
    """A single witness may be a client that has just begun to read."""
    throttling = Throttling()
    for one in (SLEEPER, OTHER, THIRD):
        throttling.refused(one, 10.0, last=False)
    assert not throttling.accepted(SLEEPER, 10.1)
    assert throttling.accepted(OTHER, 10.1)
    assert not throttling.accepted(THIRD, 10.7)


def test_a_connection_refused_while_others_were_accepted_is_no_witness() -> None:
    """A connection that returns long afterwards is none either: it shows nothing of the moment when it was refused."""
    throttling = Throttling()
    for one in (SLEEPER, OTHER, THIRD):
        throttling.refused(one, 10.0, last=False)
    crowd(throttling, 20, 10.01)
    throttling.refused(SLEEPER, 10.05, last=False)
    assert [throttling.accepted(SLEEPER, 10.1), throttling.accepted(OTHER, 10.1)] == [False, False]
    assert not throttling.accepted(THIRD, 10.0 + REST_SECONDS)


def test_a_connection_is_a_witness_once_a_minute() -> None:
    """Two clients that read now and then lower no lane again and again."""
    throttling = Throttling()
    shown = 0
    for moment in range(50):
        for one in (SLEEPER, OTHER):
            throttling.refused(one, moment, last=False)
        shown += sum(throttling.accepted(one, moment + 0.1) for one in (SLEEPER, OTHER))
    assert shown == 1
    for one in (SLEEPER, OTHER):
        throttling.refused(one, 50 + MINUTE, last=False)
    assert [throttling.accepted(one, 50.1 + MINUTE) for one in (SLEEPER, OTHER)] == [False, True]


def test_the_number_of_remembered_connections_is_bounded() -> None:
    """The connections that were not refused for the longest time are forgotten, and all of them after a minute."""
    throttling = Throttling()
    crowd(throttling, 50, 10.0)
    refuse(throttling, 3)
    for number in range(REMEMBERED - 1):
        throttling.refused(ConnectionId(f"c{number}"), 10.2, last=False)
    assert throttling.resting(SLEEPER, 10.3) is Outcome.SLOW
    throttling.refused(OTHER, 10.2, last=False)
    assert throttling.resting(SLEEPER, 10.3) is None
    refuse(throttling, TRIES, begin=20.0, one=THIRD)
    assert throttling.resting(THIRD, 21.2) is Outcome.THROTTLED
    assert throttling.refused(THIRD, 30.0, last=False) is Outcome.THROTTLED
    assert throttling.refused(THIRD, 30.0 + MINUTE, last=False) is None


def test_the_pauses_of_few_tries_are_short() -> None:
    """Two pauses, of 0.06 s together."""
    assert 1 < FEW_TRIES < TRIES
    assert [pause_before(number) / usual for number, usual in enumerate(PAUSES, 1)] == [
        pytest.approx(1, abs=0.5) for _ in PAUSES
    ]


@examples(20)
@given(st.floats(0, 2), st.integers(1, 8), st.randoms(use_true_random=False))
def test_a_client_that_reads_intermittently_slows_no_lane_and_gets_every_frame(
    phase: float, others_per_tick: int, randomness: random.Random
) -> None:
    """It takes two frames every two seconds, so what is handed on is taken after three further attempts at most."""
    throttling = Throttling()
    room, drained_at = 0, -1.0
    attempts = 0
    for tick in range(0, 20_000, 50):
        now = tick / 1_000
        crowd(throttling, others_per_tick, now)
        drains = (now + phase) // 2
        if drains != drained_at:
            room, drained_at = 2, drains
        if randomness.random() < 0.8:
            continue
        # A frame for it: tried at once, again in place, and then handed on.
        if throttling.resting(SLEEPER, now) is None:
            for _ in range(TRIES):
                if room:
                    room -= 1
                    assert not throttling.accepted(SLEEPER, now)
                    attempts = 0
                    break
                if throttling.refused(SLEEPER, now, last=False) is not None:
                    attempts += 1
                    break
        assert attempts <= 4


class Gateway:
    """An account's bucket, as API Gateway keeps one."""

    def __init__(self, quota: float, burst: float) -> None:
        self._quota, self._burst, self._tokens, self._now = quota, burst, burst, 0.0

    def lets_in(self, now: float) -> bool:
        """Take a token; tell whether there was one."""
        self._tokens = min(self._burst, self._tokens + (now - self._now) * self._quota)
        self._now = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Worker:
    """A lane that is always busy, each post to another of its connections."""

    def __init__(self, posts_per_second: float, connections: Iterator[ConnectionId]) -> None:
        self.lane = Lane(posts_per_second, 0.0)
        self._throttling = Throttling()
        self._connections = connections
        self._later: list[tuple[float, ConnectionId, int]] = []

    def tick(self, now: float, gateway: Gateway) -> tuple[int, int]:
        """Post at the rate of the lane; return the numbers of accepted and refused posts."""
        accepted = refused = 0
        for _ in range(self.lane.take(1_000, now)):
            one, tries = next(self._connections), 0
            if self._later and self._later[0][0] <= now:
                _, one, tries = heapq.heappop(self._later)
            if gateway.lets_in(now):
                accepted += 1
                if self._throttling.accepted(one, now):
                    self.lane.throttled(now)
                continue
            refused += 1
            if self._throttling.refused(one, now, last=tries + 1 == TRIES) is None:
                heapq.heappush(self._later, (now + pause_before(tries + 1), one, tries + 1))
        return accepted, refused


@pytest.mark.parametrize("connections", [1_000, 100_000])
def test_too_many_lanes_settle_below_the_quota(connections: int) -> None:
    """Four lanes ask for a fifth more than there is: soon hardly any post is refused, and no lane is at its floor."""
    quota, lane = 2_000.0, 600.0
    gateway = Gateway(quota, burst=quota / 2)
    numbers = (connection(number % connections) for number in count())
    workers = [Worker(lane, numbers) for _ in range(4)]
    randomness = random.Random(1)  # noqa: S311  # repeatable on purpose
    seconds, accepted, refused = 12, 0, 0
    for tick in range(seconds * 200):
        now = tick / 200
        answers = [worker.tick(now, gateway) for worker in randomness.sample(workers, len(workers))]
        if now >= 5:
            accepted += sum(taken for taken, _ in answers)
            refused += sum(turned_away for _, turned_away in answers)
    assert refused / (accepted + refused) < 0.02
    assert accepted / (seconds - 5) > 0.75 * quota
    assert min(worker.lane.rate for worker in workers) > 0.3 * lane
