"""One suite for ordered senders: the in-memory twin, and libcurl against a management API of the tests' own."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest

from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import OrderedSender
from loudhailer.delivery.sigv4 import Credentials
from loudhailer.delivery.throttling import TRIES
from loudhailer.ids import ConnectionId
from tests.support.broadcasts import ENDPOINT, connection
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.management_api import Behaviour, ManagementApi, running

STATUS: dict[Outcome, Behaviour] = {
    Outcome.DELIVERED: 200,
    Outcome.GONE: 410,
    Outcome.REJECTED: 413,
    Outcome.THROTTLED: 429,
    Outcome.SLOW: 429,
    Outcome.FAILED: 500,
    Outcome.UNSENT: "hang",
}
FRAMES = [b"first", b"second", b"third"]
ONE, TWO, THREE = connection(1), connection(2), connection(3)
DELIVERED, UNSENT = Outcome.DELIVERED, Outcome.UNSENT
BAD = [outcome for outcome in Outcome if outcome not in {DELIVERED, Outcome.THROTTLED}]


@dataclass(frozen=True)
class Subject:
    """A sender, the endpoint, and what each connection was delivered, and which were closed."""

    sender: OrderedSender
    endpoint: str
    delivered: Callable[[ConnectionId], list[bytes]]
    closed: Callable[[], list[ConnectionId]]


type Ends = Mapping[ConnectionId, list[Outcome]]
type MakeSubject = Callable[[Ends], AbstractContextManager[Subject]]


@contextmanager
def _in_memory(ends: Ends) -> Iterator[Subject]:
    sender = MemoryOrderedSender(ends)

    def delivered(one: ConnectionId) -> list[bytes]:
        return [frame for connection, frame in sender.delivered if connection == one]

    yield Subject(sender, ENDPOINT, delivered, lambda: sender.closed)


def _taken(api: ManagementApi, method: str) -> list[tuple[ConnectionId, bytes]]:
    return [
        (request.connection, request.body)
        for request in api.requests
        if request.method == method and request.answer == 200
    ]


@contextmanager
def _on_libcurl(ends: Ends) -> Iterator[Subject]:
    with running({one: [STATUS[outcome] for outcome in outcomes] for one, outcomes in ends.items()}) as api:
        sender = CurlOrderedSender(lambda: Credentials("AKIA", "secret"), "us-east-1", tries=TRIES)

        def delivered(one: ConnectionId) -> list[bytes]:
            return [frame for connection, frame in _taken(api, "POST") if connection == one]

        yield Subject(sender, api.endpoint, delivered, lambda: [one for one, _ in _taken(api, "DELETE")])


@pytest.fixture(params=[_in_memory, _on_libcurl], ids=["memory", "libcurl"])
def make(request: pytest.FixtureRequest) -> MakeSubject:
    """Make each of the senders, with requests that end as the test says."""
    made: MakeSubject = request.param
    return made


def test_each_connection_gets_its_own_frames_in_their_order(make: MakeSubject) -> None:
    """Any number of them, none included."""
    everyone = [connection(number) for number in range(40)]
    frames = {one: [b"%d of %s" % (n, one.encode()) for n in range(place % 7)] for place, one in enumerate(everyone)}
    with make({}) as subject:
        found = subject.sender.post_in_order(subject.endpoint, frames, seconds=20)
        assert found == {one: [DELIVERED] * len(wanted) for one, wanted in frames.items()}
        assert {one: subject.delivered(one) for one in everyone} == frames


def test_a_call_without_connections_has_no_outcomes(make: MakeSubject) -> None:
    """No connection is closed either."""
    with make({}) as subject:
        assert subject.sender.post_in_order(subject.endpoint, {}, seconds=1) == {}
        assert subject.sender.close(subject.endpoint, [], seconds=1) == []
        assert subject.closed() == []


@pytest.mark.parametrize("bad", BAD, ids=lambda outcome: outcome.name.lower())
def test_frames_after_an_undelivered_one_are_not_sent(make: MakeSubject, bad: Outcome) -> None:
    """To that connection; the others get all of theirs."""
    with make({TWO: [DELIVERED, bad]}) as subject:
        found = subject.sender.post_in_order(subject.endpoint, dict.fromkeys([ONE, TWO, THREE], FRAMES), seconds=0.8)
        assert found == {ONE: [DELIVERED] * 3, TWO: [DELIVERED, bad, UNSENT], THREE: [DELIVERED] * 3}
        assert subject.delivered(TWO) == FRAMES[:1]
        assert subject.delivered(THREE) == FRAMES


def test_no_connection_is_slow_while_the_account_is_throttled(make: MakeSubject) -> None:
    """All are throttled at their first frame, and the call ends well before its time."""
    everyone = [connection(number) for number in range(5)]
    with make({one: [Outcome.THROTTLED] for one in everyone}) as subject:
        found = subject.sender.post_in_order(subject.endpoint, dict.fromkeys(everyone, FRAMES), seconds=20)
        assert list(found.values()) == [[Outcome.THROTTLED, UNSENT, UNSENT]] * 5


def test_connections_are_closed(make: MakeSubject) -> None:
    """Connections that were gone before differ from those closed now, in the order of the question."""
    with make({TWO: [Outcome.GONE]}) as subject:
        assert subject.sender.close(subject.endpoint, [THREE, TWO, ONE], seconds=5) == [
            DELIVERED,
            Outcome.GONE,
            DELIVERED,
        ]
        assert sorted(subject.closed()) == [ONE, THREE]
        assert subject.delivered(ONE) == []


def test_connections_are_looked_up(make: MakeSubject) -> None:
    """Gone and open connections are distinguished, in the order of the question; nothing is sent."""
    with make({TWO: [Outcome.GONE]}) as subject:
        found = subject.sender.look_up(subject.endpoint, [THREE, TWO, ONE], seconds=5)
        assert found == [DELIVERED, Outcome.GONE, DELIVERED]
        assert subject.sender.look_up(subject.endpoint, [], seconds=5) == []
        assert (subject.delivered(ONE), subject.closed()) == ([], [])


def test_posts_and_closes_alternate_on_one_sender(make: MakeSubject) -> None:
    """Each call's requests are its own."""
    with make({}) as subject:
        for frame in FRAMES:
            assert subject.sender.post_in_order(subject.endpoint, {ONE: [frame]}, seconds=5) == {ONE: [DELIVERED]}
            assert subject.sender.close(subject.endpoint, [TWO], seconds=5) == [DELIVERED]
        assert subject.delivered(ONE) == FRAMES
        assert subject.closed() == [TWO] * 3
