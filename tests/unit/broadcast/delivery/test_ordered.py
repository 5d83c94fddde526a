"""The ordered sender on libcurl, against a server of the test's own."""

import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from loudhailer.delivery.certificates import TRUSTED
from loudhailer.delivery.ordered import CurlOrderedSender
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sigv4 import Credentials, PostSigner
from loudhailer.delivery.transfers import Transfers
from loudhailer.ids import ConnectionId
from tests.support.broadcasts import connection
from tests.support.management_api import Behaviour, ManagementApi, free_port, running

REGION = "us-east-1"
CREDENTIALS = Credentials("AKIALOCAL", "secret", "token/+=")
FRAMES = [b"first", b"second", b"third"]
ONE, TWO, THREE = connection(1), connection(2), connection(3)
DELIVERED, UNSENT = Outcome.DELIVERED, Outcome.UNSENT
ALL = [DELIVERED] * 3


def sender(
    *,
    max_in_flight: int = 100,
    ca_file: str | Path = TRUSTED,
    credentials: Callable[[], Credentials] = lambda: CREDENTIALS,
) -> CurlOrderedSender:
    """A sender of the test's own."""
    return CurlOrderedSender(credentials, REGION, max_in_flight=max_in_flight, ca_file=str(ca_file))


def bodies(api: ManagementApi, one: ConnectionId) -> list[bytes]:
    """Return the frames that were posted to the connection, repetitions included."""
    return [request.body for request in api.requests if request.connection == one]


@pytest.fixture
def api() -> Iterator[ManagementApi]:
    """A management API that accepts every request by default."""
    with running() as running_api:
        yield running_api


@pytest.mark.parametrize(
    ("answers", "outcomes", "posted"),
    [
        ([200, 204, 200], ALL, FRAMES),
        ([429, 200], ALL, [b"first", *FRAMES]),
        ([200, 429, 429, 200], ALL, [b"first", b"second", b"second", b"second", b"third"]),
        ([500, 200], ALL, [b"first", *FRAMES]),
        ([503, 403, 429, "reset", 200], ALL, [b"first"] * 4 + FRAMES),
        ([200, 410], [DELIVERED, Outcome.GONE, UNSENT], FRAMES[:2]),
        ([429, 410], [Outcome.GONE, UNSENT, UNSENT], [b"first"] * 2),
        ([200, 413], [DELIVERED, Outcome.REJECTED, UNSENT], FRAMES[:2]),
        ([400], [Outcome.REJECTED, UNSENT, UNSENT], FRAMES[:1]),
    ],
    ids=str,
)
def test_a_frame_is_retried_until_it_is_accepted_or_permanently_refused(
    answers: list[Behaviour],
    outcomes: list[Outcome],
    posted: list[bytes],
    counted: Counter[str],
) -> None:
    """The next one waits for it; the other connections do not."""
    with running({TWO: list(answers)}) as api:
        found = sender().post_in_order(api.endpoint, dict.fromkeys([ONE, TWO, THREE], FRAMES), seconds=20)
        assert found == {ONE: ALL, TWO: outcomes, THREE: ALL}
        assert bodies(api, TWO) == posted
        assert bodies(api, ONE) == bodies(api, THREE) == FRAMES
    assert counted["PostThrottled"] == answers.count(429)


@pytest.mark.parametrize(("answer", "outcome"), [(500, Outcome.FAILED), ("hang", UNSENT)])
def test_the_last_answer_counts_when_time_runs_out(answer: Behaviour, outcome: Outcome) -> None:
    """Without any it is unsent."""
    with running({TWO: [200, answer]}) as api:
        assert sender().post_in_order(api.endpoint, {ONE: FRAMES, TWO: FRAMES}, seconds=0.6) == {
            ONE: ALL,
            TWO: [DELIVERED, outcome, UNSENT],
        }


@pytest.mark.parametrize("stuck", [1, 2, 10])
def test_clients_that_do_not_read_delay_no_call(stuck: int, counted: Counter[str]) -> None:
    """The call ends when the others have all of theirs; the next one asks nobody of them again."""
    everyone = [connection(number) for number in range(20 + stuck)]
    sleepers = everyone[20:]
    with running({one: [200, 429] for one in sleepers}) as api:
        one_sender = CurlOrderedSender(lambda: CREDENTIALS, REGION, tries=6)
        frames = dict.fromkeys(everyone, FRAMES)
        found = one_sender.post_in_order(api.endpoint, frames, seconds=30)
        assert [found[one] for one in sleepers] == [[DELIVERED, Outcome.SLOW, UNSENT]] * stuck
        asked = len(api.requests)
        again = one_sender.post_in_order(api.endpoint, frames, seconds=30)
        assert [again[one] for one in sleepers] == [[Outcome.SLOW, UNSENT, UNSENT]] * stuck
        assert len(api.requests) == asked + 20 * 3
        assert [found[one] for one in everyone[:20]] == [again[one] for one in everyone[:20]] == [ALL] * 20
        assert one_sender.post_in_order(api.endpoint, {sleepers[0]: []}, seconds=30) == {sleepers[0]: []}
    assert counted["ClientBufferFull"] >= 2 * stuck
    assert counted["PostThrottled"] == 0


@pytest.mark.parametrize("tries", [3, 6])
def test_retries_are_bounded_for_each_connection(tries: int) -> None:
    """A connection that takes a frame now and then has no more tries in a call than one that takes none."""
    with running({ONE: [429], TWO: [200, 429, 429, 200, *[429] * 4]}) as api:
        one_sender = CurlOrderedSender(lambda: CREDENTIALS, REGION, tries=tries)
        found = one_sender.post_in_order(api.endpoint, {ONE: FRAMES, TWO: [*FRAMES, b"last"]}, seconds=30)
        assert found[ONE] == [Outcome.THROTTLED, UNSENT, UNSENT]
        assert found[TWO].count(DELIVERED) == 2
        assert len(bodies(api, ONE)) == tries
        assert sum(request.answer == 429 for request in api.requests if request.connection == TWO) == tries


def test_a_connection_has_few_tries_unless_more_are_asked_for() -> None:
    """Joins of rooms, and work for others, do not wait a second for clients that do not read."""
    with running({ONE: [429]}) as api:
        assert sender().post_in_order(api.endpoint, {ONE: FRAMES}, seconds=30)[ONE][0] is Outcome.THROTTLED
        assert len(bodies(api, ONE)) == 3


def test_a_throttled_close_is_no_evidence_against_the_client(counted: Counter[str]) -> None:
    """It is the account's quota, and tried to the end; the next post is sent like any other."""
    with running({ONE: [429, 429, 429, 429, 429, 429, 429, 200]}) as api:
        one_sender = sender()
        assert one_sender.close(api.endpoint, [ONE], seconds=30) == [DELIVERED]
        assert one_sender.post_in_order(api.endpoint, {ONE: FRAMES}, seconds=30) == {ONE: ALL}
    assert counted == {}


@pytest.mark.parametrize("seconds", [0, -3])
def test_no_frame_is_sent_without_time_left(api: ManagementApi, seconds: float) -> None:
    """Everything is handed back."""
    assert sender().post_in_order(api.endpoint, {ONE: FRAMES}, seconds=seconds) == {ONE: [UNSENT] * 3}
    assert sender().close(api.endpoint, [ONE], seconds=seconds) == [UNSENT]
    assert api.requests == []


def test_a_connection_that_does_not_answer_delays_no_other() -> None:
    """Its frame is on the way while the others get all of theirs."""
    everyone = [connection(number) for number in range(30)]
    with running({everyone[7]: ["hang"]}) as api:
        frames = {one: [b"%d" % number for number in range(20)] for one in everyone}
        found = sender(max_in_flight=8).post_in_order(api.endpoint, frames, seconds=2)
        assert found[everyone[7]] == [UNSENT] * 20
        assert Counter(outcome for outcomes in found.values() for outcome in outcomes)[DELIVERED] == 29 * 20


def test_the_number_of_posts_in_flight_is_bounded(api: ManagementApi, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait; and everyone gets everything in order."""
    one_sender = sender(max_in_flight=5)
    most = 0
    release = Transfers._release

    def watched(self: Transfers[Any], *released: Any) -> Any:
        nonlocal most
        most = max(most, len(self._in_flight))
        return release(self, *released)

    monkeypatch.setattr(Transfers, "_release", watched)
    everyone = [connection(number) for number in range(60)]
    assert one_sender.post_in_order(api.endpoint, dict.fromkeys(everyone, FRAMES), seconds=20) == dict.fromkeys(
        everyone, ALL
    )
    assert all(bodies(api, one) == FRAMES for one in everyone)
    assert most <= 5
    assert len({request.client_port for request in api.requests}) <= 5


def test_connections_to_the_gateway_are_used_again(api: ManagementApi) -> None:
    """The next call uses them, whatever it does."""
    one_sender = sender(max_in_flight=4)
    one_sender.post_in_order(api.endpoint, {ONE: FRAMES}, seconds=5)
    one_sender.close(api.endpoint, [ONE], seconds=5)
    one_sender.post_in_order(api.endpoint, {TWO: FRAMES}, seconds=5)
    assert [request.method for request in api.requests] == [*["POST"] * 3, "DELETE", *["POST"] * 3]
    assert len({request.client_port for request in api.requests}) == 1


def test_a_late_answer_is_discarded() -> None:
    """A connection that was cut off is not used again: the next call's outcomes are its own."""
    with running({ONE: ["hang"], TWO: [410]}) as api:
        one_sender = sender(max_in_flight=1)
        assert one_sender.post_in_order(api.endpoint, {ONE: FRAMES}, seconds=0.3) == {ONE: [UNSENT] * 3}
        api.over.set()
        assert one_sender.close(api.endpoint, [TWO, THREE], seconds=5) == [Outcome.GONE, DELIVERED]


def test_a_credentials_failure_during_a_call_leaves_no_state_behind(api: ManagementApi) -> None:
    """The error is the caller's to see; the next call is as good as the first."""
    present: Iterator[Credentials | None] = iter([CREDENTIALS, None, CREDENTIALS])

    def credentials() -> Credentials:
        if (found := next(present, CREDENTIALS)) is None:
            raise ConnectionError("no credentials")
        return found

    one_sender = sender(credentials=credentials)
    with pytest.raises(ConnectionError):
        one_sender.post_in_order(api.endpoint, {ONE: FRAMES}, seconds=5)
    assert one_sender.post_in_order(api.endpoint, {TWO: FRAMES}, seconds=5) == {TWO: ALL}
    assert bodies(api, TWO) == FRAMES


def test_a_refused_tcp_connection_is_a_failed_outcome() -> None:
    """Refused is a named outcome for each, not an exception."""
    endpoint = f"http://127.0.0.1:{free_port()}/live"
    assert sender().post_in_order(endpoint, {ONE: FRAMES}, seconds=0.5) == {ONE: [Outcome.FAILED, UNSENT, UNSENT]}
    assert sender().close(endpoint, [ONE], seconds=0.5) == [Outcome.FAILED]


def test_an_untrusted_certificate_is_refused(certificate: Path) -> None:
    """The frame never leaves; with the certificate among the trusted ones it does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running(tls=context) as api:
        assert sender().post_in_order(api.endpoint, {ONE: [b"secret"]}, seconds=0.5) == {ONE: [Outcome.FAILED]}
        assert api.requests == []
        trusting = sender(ca_file=certificate)
        assert trusting.post_in_order(api.endpoint, {ONE: FRAMES, TWO: FRAMES}, seconds=5) == {ONE: ALL, TWO: ALL}


@pytest.mark.parametrize("frames", [[b"", b"x" * 128 * 1024, "é😀".encode(), b"", b"last"]])
def test_frames_arrive_as_they_are(api: ManagementApi, frames: Sequence[bytes]) -> None:
    """Empty, of full length, beyond ASCII."""
    sender(max_in_flight=1).post_in_order(api.endpoint, {ONE: frames, TWO: frames}, seconds=10)
    assert bodies(api, ONE) == bodies(api, TWO) == frames


@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_request_is_signed_for_its_own_frame(api: ManagementApi, method: Literal["POST", "DELETE"]) -> None:
    """The signature is right for the method, the path, the host and the frame that arrived."""
    odd = ConnectionId("a+b/c=d_e-")
    if method == "POST":
        sender().post_in_order(api.endpoint, {odd: FRAMES}, seconds=5)
    else:
        sender().close(api.endpoint, [odd], seconds=5)
    assert [request.body for request in api.requests] == (FRAMES if method == "POST" else [b""])
    for request in api.requests:
        assert request.method == method
        assert "Content-Type" not in request.headers
        assert request.path == "/abcdef1234/live/@connections/a%2Bb%2Fc%3Dd_e-"
        signed_at = datetime.strptime(request.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        assert abs(signed_at.timestamp() - time.time()) < 5
        signer = PostSigner(api.endpoint, REGION, request.body, method).at(signed_at.timestamp(), CREDENTIALS)
        for name, _, value in (line.partition(": ") for line in signer.sign(odd)[1].splitlines()):
            assert request.headers[name] == value


def test_waiting_uses_no_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender sleeps while it waits for an answer or for a retry."""
    turns = 0
    wait = Transfers._wait

    def counted(self: Transfers[Any], *given: Any) -> None:
        nonlocal turns
        turns += 1
        wait(self, *given)

    monkeypatch.setattr(Transfers, "_wait", counted)
    with running({ONE: ["hang"], TWO: [429]}) as api:
        sender().post_in_order(api.endpoint, {ONE: FRAMES, TWO: FRAMES, THREE: FRAMES}, seconds=1)
    assert 0 < turns < 500


def test_retries_are_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Over half of the delay and half as much again, so that not all of them come at the same moment."""
    drawn: list[tuple[float, float]] = []

    def uniform(least: float, most: float) -> float:
        drawn.append((least, most))
        return least

    monkeypatch.setattr(random, "uniform", uniform)
    with running({ONE: [500, 200]}) as api:
        sender().post_in_order(api.endpoint, dict.fromkeys([ONE, TWO], FRAMES), seconds=20)
    assert drawn == [(0.5, 1.5)]
