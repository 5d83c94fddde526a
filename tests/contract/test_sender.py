"""One suite for senders: the in-memory twin, and libcurl against a management API of the tests' own."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

import pytest

from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Sender
from loudhailer.delivery.sigv4 import Credentials
from loudhailer.ids import ConnectionId
from tests.support.broadcasts import ENDPOINT, connection
from tests.support.fakes.delivery import MemorySender
from tests.support.management_api import Behaviour, running

FRAME = b"frame"
ANSWERS: dict[Outcome, list[Behaviour]] = {
    Outcome.DELIVERED: [200],
    Outcome.GONE: [410],
    Outcome.REJECTED: [413],
    Outcome.THROTTLED: [429],
    Outcome.SLOW: [429],
    Outcome.FAILED: [500],
    Outcome.UNSENT: ["hang"],
}

type Subject = tuple[Sender, str, Callable[[], list[tuple[ConnectionId, bytes]]]]
"""A sender, the endpoint to post to, and the delivered frames."""

type MakeSubject = Callable[[Mapping[ConnectionId, Outcome]], AbstractContextManager[Subject]]


@contextmanager
def _in_memory(ends: Mapping[ConnectionId, Outcome]) -> Iterator[Subject]:
    sender = MemorySender({one: [outcome] for one, outcome in ends.items()})
    yield sender, ENDPOINT, lambda: sender.delivered


@contextmanager
def _on_libcurl(ends: Mapping[ConnectionId, Outcome]) -> Iterator[Subject]:
    with running({one: ANSWERS[outcome] for one, outcome in ends.items()}) as api:
        lane = Lane(5_000, time.monotonic())

        def delivered() -> list[tuple[ConnectionId, bytes]]:
            names = [request.path.rpartition("/")[2].replace("%3D", "=") for request in api.requests]
            posts = [(ConnectionId(name), request.body) for name, request in zip(names, api.requests, strict=True)]
            return [post for post in posts if ends.get(post[0], Outcome.DELIVERED) is Outcome.DELIVERED]

        yield CurlSender(lane, lambda: Credentials("AKIA", "secret"), "us-east-1"), api.endpoint, delivered


@pytest.fixture(params=[_in_memory, _on_libcurl], ids=["memory", "libcurl"])
def make(request: pytest.FixtureRequest) -> MakeSubject:
    """Make each of the senders, with posts that end as the test says."""
    made: MakeSubject = request.param
    return made


def test_each_connection_has_one_outcome_in_order(make: MakeSubject) -> None:
    """Each kind of outcome among delivered ones; while other posts are accepted, a refused connection is slow."""
    kinds = [outcome for outcome in Outcome if outcome is not Outcome.THROTTLED]
    outcomes = [*kinds, *[Outcome.DELIVERED] * 100, *reversed(kinds)]
    everyone = [connection(place) for place in range(len(outcomes))]
    with make(dict(zip(everyone, outcomes, strict=True))) as (sender, endpoint, delivered):
        assert sender.post(endpoint, everyone, FRAME, seconds=2.5) == outcomes
        expected = [
            (one, FRAME) for one, outcome in zip(everyone, outcomes, strict=True) if outcome is Outcome.DELIVERED
        ]
        assert sorted(delivered()) == expected


def test_no_connection_is_slow_while_the_account_is_throttled(make: MakeSubject) -> None:
    """All are throttled, and the call ends well before its time."""
    everyone = [connection(place) for place in range(10)]
    with make(dict.fromkeys(everyone, Outcome.THROTTLED)) as (sender, endpoint, delivered):
        assert sender.post(endpoint, everyone, FRAME, seconds=20) == [Outcome.THROTTLED] * 10
        assert delivered() == []


def test_a_call_without_connections_has_no_outcomes(make: MakeSubject) -> None:
    """Nothing is posted."""
    with make({}) as (sender, endpoint, delivered):
        assert sender.post(endpoint, [], FRAME, seconds=1) == []
        assert delivered() == []


def test_nothing_is_posted_after_the_last_moment_to_start(make: MakeSubject) -> None:
    """The frame's deadline is over, although the call has time."""
    everyone = [connection(place) for place in range(3)]
    with make({}) as (sender, endpoint, delivered):
        assert sender.post(endpoint, everyone, FRAME, seconds=5, starts_within=0) == [Outcome.UNSENT] * 3
        assert delivered() == []


def test_one_sender_posts_any_number_of_frames(make: MakeSubject) -> None:
    """Each frame goes to its own connections."""
    with make({connection(2): Outcome.GONE}) as (sender, endpoint, delivered):
        assert sender.post(endpoint, [connection(1), connection(2)], b"one", seconds=5) == [
            Outcome.DELIVERED,
            Outcome.GONE,
        ]
        assert sender.post(endpoint, [connection(2), connection(3)], b"two", seconds=5) == [
            Outcome.GONE,
            Outcome.DELIVERED,
        ]
        assert delivered() == [(connection(1), b"one"), (connection(3), b"two")]


def test_everyone_in_a_full_chunk_is_delivered(make: MakeSubject) -> None:
    """Five hundred connections."""
    everyone = [connection(number) for number in range(500)]
    with make({}) as (sender, endpoint, delivered):
        assert sender.post(endpoint, everyone, FRAME, seconds=20) == [Outcome.DELIVERED] * 500
        assert sorted(delivered()) == [(one, FRAME) for one in everyone]
