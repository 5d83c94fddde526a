"""The sender on libcurl, against a server of the test's own."""

import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loudhailer.delivery import throttling
from loudhailer.delivery.certificates import TRUSTED
from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sigv4 import Credentials, PostSigner
from loudhailer.ids import ConnectionId
from tests.support.broadcasts import connection
from tests.support.management_api import Behaviour, ManagementApi, free_port, running

REGION = "us-east-1"
CREDENTIALS = Credentials("AKIALOCAL", "secret", "token/+=")
FRAME = b'{"type":"broadcast","data":"hello"}'
ONE, TWO, THREE = connection(1), connection(2), connection(3)
RATE = 5_000


def sender(
    *,
    rate: float = RATE,
    bucket: int = 0,
    max_in_flight: int = 100,
    ca_file: str | Path = TRUSTED,
    credentials: Callable[[], Credentials] = lambda: CREDENTIALS,
) -> CurlSender:
    """A sender with a lane of its own."""
    lane = Lane(rate, time.monotonic(), bucket=bucket)
    return CurlSender(lane, credentials, REGION, max_in_flight=max_in_flight, ca_file=str(ca_file))


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """A management API that accepts every post by default."""
    with running() as running_api:
        yield running_api


def test_every_connection_gets_the_frame_once(api: ManagementApi) -> None:
    """Each is posted to at its own path."""
    everyone = [connection(number) for number in range(300)]
    assert sender().post(api.endpoint, everyone, FRAME, seconds=10) == [Outcome.DELIVERED] * 300
    assert sorted(request.path for request in api.requests) == [
        f"/abcdef1234/live/@connections/{one.replace('=', '%3D')}" for one in everyone
    ]
    assert {request.body for request in api.requests} == {FRAME}


def test_a_call_without_connections_does_no_work(api: ManagementApi) -> None:
    """No connections, no posts, no waiting."""
    began = time.monotonic()
    assert sender().post(api.endpoint, [], FRAME, seconds=10) == []
    assert time.monotonic() - began < 1
    assert api.requests == []


@pytest.mark.parametrize(
    ("answers", "outcome", "posts"),
    [
        ([200], Outcome.DELIVERED, 1),
        ([204], Outcome.DELIVERED, 1),
        ([410], Outcome.GONE, 1),
        ([413], Outcome.REJECTED, 1),
        ([400], Outcome.REJECTED, 1),
        ([429, 200], Outcome.DELIVERED, 2),
        ([429, 429, 410], Outcome.GONE, 3),
        ([500, 200], Outcome.DELIVERED, 2),
        ([503, 502, 200], Outcome.DELIVERED, 3),
        ([403, 200], Outcome.DELIVERED, 2),
        ([500], Outcome.FAILED, 3),
        ([403], Outcome.FAILED, 3),
        ([301], Outcome.FAILED, 3),
    ],
    ids=str,
)
def test_each_answer_has_its_outcome_and_its_neighbours_are_delivered(
    answers: list[Behaviour], outcome: Outcome, posts: int
) -> None:
    """A post that may work later is tried again; whatever one connection does, the others get the frame."""
    with running({TWO: list(answers)}) as api:
        assert sender().post(api.endpoint, [ONE, TWO, THREE], FRAME, seconds=10) == [
            Outcome.DELIVERED,
            outcome,
            Outcome.DELIVERED,
        ]
        assert sum("L00000002" in request.path for request in api.requests) == posts


@pytest.mark.parametrize(
    ("answers", "outcome"), [(["reset"] * 2 + [200], Outcome.DELIVERED), (["reset"], Outcome.FAILED)]
)
def test_a_connection_that_is_reset_is_tried_again(answers: list[Behaviour], outcome: Outcome) -> None:
    """Even libcurl tries again where it had used the connection before; in the end the failure has a name."""
    with running({TWO: answers}) as api:
        found = sender().post(api.endpoint, [ONE, TWO, THREE], FRAME, seconds=10)
        assert found == [Outcome.DELIVERED, outcome, Outcome.DELIVERED]


def test_outcomes_are_in_the_order_of_the_connections() -> None:
    """However the answers come in."""
    everyone = [connection(number) for number in range(120)]
    by_rest = [
        ([200], Outcome.DELIVERED),
        ([410], Outcome.GONE),
        ([500, 200], Outcome.DELIVERED),
        ([413], Outcome.REJECTED),
    ]
    with running({one: list(by_rest[place % 4][0]) for place, one in enumerate(everyone)}) as api:
        found = sender(max_in_flight=16).post(api.endpoint, everyone, FRAME, seconds=10)
    assert found == [by_rest[place % 4][1] for place in range(120)]


def test_a_post_not_answered_in_time_is_unsent() -> None:
    """The call ends when its time is over, and the others are delivered."""
    with running({TWO: ["hang"]}) as api:
        began = time.monotonic()
        found = sender().post(api.endpoint, [ONE, TWO, THREE], FRAME, seconds=0.5)
        assert 0.4 < time.monotonic() - began < 2
        assert found == [Outcome.DELIVERED, Outcome.UNSENT, Outcome.DELIVERED]


@pytest.mark.parametrize("seconds", [0, -3])
def test_no_post_is_sent_without_time_left(api: ManagementApi, seconds: float) -> None:
    """Everything is handed back."""
    assert sender().post(api.endpoint, [ONE, TWO], FRAME, seconds=seconds) == [Outcome.UNSENT] * 2
    assert api.requests == []


def test_a_late_answer_is_discarded() -> None:
    """A connection that was cut off is not used again: the next call's outcomes are its own."""
    with running({ONE: ["hang"], TWO: [410]}) as api:
        one_sender = sender(max_in_flight=1)
        assert one_sender.post(api.endpoint, [ONE], FRAME, seconds=0.3) == [Outcome.UNSENT]
        api.over.set()
        assert one_sender.post(api.endpoint, [TWO, THREE], FRAME, seconds=5) == [Outcome.GONE, Outcome.DELIVERED]
        assert len({request.client_port for request in api.requests}) == 2


def test_a_credentials_failure_during_a_call_leaves_no_state_behind() -> None:
    """The error is the caller's to see; the next call's outcomes are its own."""
    present = iter([CREDENTIALS, None, CREDENTIALS])

    def credentials() -> Credentials:
        if (found := next(present, CREDENTIALS)) is None:
            raise ConnectionError("no credentials")
        return found

    with running({ONE: ["hang"], TWO: [410]}) as api:
        one_sender = sender(credentials=credentials)
        with pytest.raises(ConnectionError):
            one_sender.post(api.endpoint, [ONE], FRAME, seconds=2.5)
        assert one_sender.post(api.endpoint, [TWO, THREE], FRAME, seconds=5) == [Outcome.GONE, Outcome.DELIVERED]


def test_credentials_renewed_during_a_call_sign_later_posts(api: ManagementApi) -> None:
    """Credentials of a role expire in the middle of a call: from the next second on, posts are signed with new ones."""
    began = time.monotonic()
    fresh = Credentials("AKIAFRESH", "secret", "another token")
    one_sender = sender(rate=30, credentials=lambda: fresh if time.monotonic() > began + 0.5 else CREDENTIALS)
    everyone = [connection(number) for number in range(70)]
    assert one_sender.post(api.endpoint, everyone, FRAME, seconds=10) == [Outcome.DELIVERED] * 70
    keys = [request.headers["Authorization"].partition("Credential=")[2].partition("/")[0] for request in api.requests]
    assert (keys[0], keys[-1]) == (CREDENTIALS.access_key, fresh.access_key)
    assert keys == sorted(keys, reverse=True)


def test_a_refused_tcp_connection_is_a_failed_outcome() -> None:
    """Refused is a named outcome for each, not an exception."""
    found = sender().post(f"http://127.0.0.1:{free_port()}/live", [ONE, TWO], FRAME, seconds=5)
    assert found == [Outcome.FAILED] * 2


def test_a_name_that_does_not_resolve_is_failed_or_unsent() -> None:
    """As far as the resolver gets in time."""
    found = sender().post("http://no-such-host.invalid/live", [ONE, TWO], FRAME, seconds=4)
    assert set(found) <= {Outcome.FAILED, Outcome.UNSENT}
    assert len(found) == 2


def test_an_untrusted_certificate_is_refused(certificate: Path) -> None:
    """The frame never leaves; with the certificate among the trusted ones it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running(tls=context) as api:
        assert sender().post(api.endpoint, [ONE, TWO], FRAME, seconds=5) == [Outcome.FAILED] * 2
        assert api.requests == []
        assert sender(ca_file=certificate).post(api.endpoint, [ONE, TWO], FRAME, seconds=5) == [Outcome.DELIVERED] * 2


def test_connections_to_the_gateway_are_used_again(api: ManagementApi) -> None:
    """Also by the next call."""
    one_sender = sender(max_in_flight=4)
    for _ in range(2):
        one_sender.post(api.endpoint, [connection(number) for number in range(100)], FRAME, seconds=10)
    assert len(api.requests) == 200
    assert len({request.client_port for request in api.requests}) <= 4


def test_the_next_call_posts_its_own_frame(api: ManagementApi) -> None:
    """Also through handles that were used before, and when it is empty or large."""
    one_sender = sender(max_in_flight=2)
    frames = [b"first", b"", b"x" * 128 * 1024, "é😀".encode(), b"last"]
    for frame in frames:
        assert one_sender.post(api.endpoint, [ONE, TWO, THREE], frame, seconds=10) == [Outcome.DELIVERED] * 3
    assert [request.body for request in api.requests] == [frame for frame in frames for _ in range(3)]


def test_a_post_is_signed_and_has_only_the_needed_headers(api: ManagementApi) -> None:
    """The signature is right for the path, the host and the frame that arrived."""
    odd = ConnectionId("a+b/c=d_e-")
    sender().post(api.endpoint, [odd], FRAME, seconds=5)
    (request,) = api.requests
    assert request.path == "/abcdef1234/live/@connections/a%2Bb%2Fc%3Dd_e-"
    assert request.headers["Host"] == f"127.0.0.1:{api.port}"
    assert request.headers["Content-Length"] == str(len(FRAME))
    assert "Expect" not in request.headers
    assert "Content-Type" not in request.headers
    signed_at = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    assert abs(signed_at.timestamp() - time.time()) < 5
    _, expected = PostSigner(api.endpoint, REGION, FRAME).at(signed_at.timestamp(), CREDENTIALS).sign(odd)
    for name, _, value in (line.partition(": ") for line in expected.splitlines()):
        assert request.headers[name] == value


def test_the_lane_sets_the_rate(api: ManagementApi) -> None:
    """Fifty posts at a hundred a second take half a second, less the bucket."""
    began = time.monotonic()
    found = sender(rate=100).post(api.endpoint, [connection(number) for number in range(50)], FRAME, seconds=10)
    assert found == [Outcome.DELIVERED] * 50
    assert time.monotonic() - began > 0.4


def test_an_express_lane_leaves_posts_that_it_cannot_send_soon(api: ManagementApi) -> None:
    """Its bucket goes out at once. After a quarter of a second the rest is left, long before the call's end."""
    found = sender(rate=1, bucket=10).post(
        api.endpoint, [connection(number) for number in range(50)], FRAME, seconds=60
    )
    assert found == [Outcome.DELIVERED] * 10 + [Outcome.UNSENT] * 40


@pytest.mark.parametrize("connections", [20, 500])
@pytest.mark.parametrize("stuck", [0, 1, 2, 5])
def test_clients_that_do_not_read_delay_no_chunk_and_slow_no_lane(
    connections: int, stuck: int, counted: Counter[str]
) -> None:
    """A few tries for each, and the lane keeps its rate; the next chunk tries them at most once.

    The more others were let in, the sooner it is clear that it is the client.
    """
    everyone = [connection(number) for number in range(connections)]
    sleepers = everyone[: stuck * 4 : 4]
    with running({one: [429] for one in sleepers}) as api:
        one_sender = sender(rate=2_450)
        for tries in (3, 4):
            found = dict(zip(everyone, one_sender.post(api.endpoint, everyone, FRAME, seconds=30), strict=True))
            assert {found.pop(one) for one in sleepers} <= {Outcome.SLOW, Outcome.THROTTLED}
            assert set(found.values()) == {Outcome.DELIVERED}
            asked = Counter(request.connection for request in api.requests)
            assert all(asked[one] <= tries for one in sleepers)
        assert one_sender._lane.rate == 2_450
    assert counted["PostThrottled"] == 0
    # The number of answers before the third try decides if 19 others are enough.
    assert stuck > 0 or counted["ClientBufferFull"] == 0
    assert stuck == 0 or connections == 20 or counted["ClientBufferFull"] > 0


@pytest.mark.parametrize("rest_seconds", [0.0, throttling.REST_SECONDS], ids=["asked again", "at rest"])
def test_a_hundred_clients_that_do_not_read_slow_no_lane(
    rest_seconds: float, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fifth of a chunk, in three of five calls in turn; others in these chunks and between them get the frame."""
    monkeypatch.setattr(throttling, "REST_SECONDS", rest_seconds)
    crowd, others = ([connection(number) for number in range(first, first + 500)] for first in (0, 500))
    sleepers = set(crowd[::5])
    with running({one: [429] for one in sleepers}) as api:
        one_sender = sender(rate=2_450)
        for chunk in (crowd, others, crowd, others, crowd):
            found = dict(zip(chunk, one_sender.post(api.endpoint, chunk, FRAME, seconds=30), strict=True))
            assert {
                one for one, outcome in found.items() if outcome is not Outcome.DELIVERED
            } == sleepers & found.keys()
            assert one_sender._lane.rate >= 0.95 * 2_450
        asked = Counter(request.connection for request in api.requests)
    assert max(asked[one] for one in sleepers) <= 3 + 2  # in later calls once each
    assert counted["PostThrottled"] == 0


@pytest.mark.parametrize("stuck", [10, 20])
def test_clients_that_do_not_read_beside_few_others_are_tried_three_times(stuck: int, counted: Counter[str]) -> None:
    """It might be the quota, so no client is blamed. Nor is a lane lowered, and the next chunk does not ask them."""
    everyone = [connection(number) for number in range(20)]
    with running({one: [429] for one in everyone[:stuck]}) as api:
        one_sender = sender(rate=2_450)
        expected = [Outcome.THROTTLED] * stuck + [Outcome.DELIVERED] * (20 - stuck)
        for _ in range(2):
            assert one_sender.post(api.endpoint, everyone, FRAME, seconds=30) == expected
        asked = Counter(request.connection for request in api.requests)
        assert [asked[one] for one in everyone[:stuck]] == [3] * stuck
        assert one_sender._lane.rate == 2_450
    # With others beside them it depends on the order of the answers whether the last tries look like the quota.
    assert counted["PostThrottled"] == 3 * 20 if stuck == 20 else counted["PostThrottled"] <= 3 * stuck
    assert counted["ClientBufferFull"] == 0


def test_a_call_may_be_given_a_single_try() -> None:
    """Refused posts that are delivered again get one try; failed posts are tried as often as before."""
    with running({ONE: [429], TWO: [500, 200]}) as api:
        outcomes = sender().post(api.endpoint, [ONE, TWO], FRAME, seconds=30, tries=1)
        assert outcomes == [Outcome.THROTTLED, Outcome.DELIVERED]
        assert Counter(request.connection for request in api.requests) == {ONE: 1, TWO: 2}


@pytest.mark.parametrize(("refusals", "calls"), [(1, 1), (2, 1), (5, 4)])
def test_throttling_of_the_account_gives_up_no_connection(
    refusals: int, calls: int, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """429 for all connections is the quota: all are tried again, more slowly or in another call, and get the frame."""
    everyone = [connection(number) for number in range(20)]
    with running({one: [*[429] * refusals, 200] for one in everyone}) as api:
        one_sender = sender(rate=2_450)
        for call in range(1, calls + 1):
            found = one_sender.post(api.endpoint, everyone, FRAME, seconds=30)
            assert found == [Outcome.DELIVERED if call == calls else Outcome.THROTTLED] * 20
            monkeypatch.setattr(throttling, "REST_SECONDS", 0.0)
        assert (one_sender._lane.rate < 2_450) == (calls == 1)
    assert counted["PostThrottled"] >= 20 * min(refusals, 3)
    assert counted["ClientBufferFull"] == 0


def test_waiting_uses_no_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender sleeps while it waits for an answer, for a retry or for the lane."""
    turns = 0
    take = Lane.take

    def counted(lane: Lane, wanted: int, now: float) -> int:
        nonlocal turns
        turns += 1
        return take(lane, wanted, now)

    monkeypatch.setattr(Lane, "take", counted)
    with running({ONE: ["hang"]}) as api:
        sender(rate=2).post(api.endpoint, [ONE, TWO, THREE], FRAME, seconds=1.5)
    assert 0 < turns < 500


def test_retries_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over half of the delay and half as much again, so that not all of them come at the same moment."""
    drawn: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        drawn.append((least, most))
        return least

    monkeypatch.setattr(random, "uniform", uniform)
    with running({ONE: [500, 200]}) as api:
        sender().post(api.endpoint, [ONE, TWO], FRAME, seconds=10)
    assert drawn == [(0.5, 1.5)]
