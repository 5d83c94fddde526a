"""Lifecycle when functions are throttled, fail, or are not asked."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace

import pytest

from tests.support.client_frames import client_frame
from tests.unit.emulator.gateway.stand_ins import LIMITS, FakeTransport
from tests.unit.emulator.gateway.test_directory import FakeSource
from tools.emulator.gateway import ends
from tools.emulator.gateway.api import Api, Directory, FunctionRef, Integration, Route, Stage
from tools.emulator.gateway.authorization import AuthorizationRefusal
from tools.emulator.gateway.connection import Connections
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.events import GatewayEvent
from tools.emulator.gateway.faults import FaultInjector, Faults
from tools.emulator.gateway.handshake import Handshake
from tools.emulator.gateway.integration import IntegrationFailure, Integrations, Reply
from tools.emulator.gateway.invocation import Invocation, InvocationStatus
from tools.emulator.gateway.lifecycle import Accepted, Lifecycle
from tools.emulator.gateway.limits import AccountBuckets, Limits

THROTTLED = IntegrationFailure(500, "Internal server error", "throttled", again=True)
FAILED = IntegrationFailure(502, "Internal server error", "failed")
NO_FAULTS = Faults()
HANDSHAKE = Handshake((("Host", "h"),), (), "192.0.2.1")


class FakeKind:
    """Integrations that answer from a list, then 200."""

    def __init__(self, *answers: Reply | IntegrationFailure | Exception) -> None:
        self.answers = list(answers)
        self.events: list[GatewayEvent] = []

    async def call(
        self, integration: Integration, event: GatewayEvent, timeout_seconds: float
    ) -> Reply | IntegrationFailure:
        """The next answer."""
        assert (integration.kind, timeout_seconds) == ("FAKE", 5.0)
        self.events.append(event)
        answer = self.answers.pop(0) if self.answers else Reply(200)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def call_together(
        self, integration: Integration, events: Sequence[GatewayEvent], timeout_seconds: float
    ) -> Sequence[Reply | IntegrationFailure]:
        """The next answers."""
        return [await self.call(integration, event, timeout_seconds) for event in events]


class NoFunctions:
    """Has no function."""

    async def invoke(self, function: FunctionRef, event: GatewayEvent, timeout_seconds: float) -> Invocation:
        """Say so."""
        return Invocation(InvocationStatus.UNAVAILABLE, (function, event, timeout_seconds))


class LifecycleFixture:
    """A lifecycle around one API whose routes have fake integrations."""

    def __init__(
        self,
        kind: FakeKind,
        *route_keys: str,
        authorization: str = "NONE",
        limits: Limits = LIMITS,
        faults: Faults = NO_FAULTS,
    ) -> None:
        integration = Integration("FAKE", "", 5.0)
        routes = {key: Route(key, integration, authorization=authorization) for key in route_keys}
        api = Api("api", "111111111111", "us-east-1", ("action",), routes, {"live": Stage("live")})
        self.counters = Counters()
        self.connections = Connections()
        self.lifecycle = Lifecycle(
            limits=limits,
            faults=FaultInjector(faults),
            counters=self.counters,
            directory=Directory(FakeSource(api), time.monotonic),
            connections=self.connections,
            requests=AccountBuckets(limits.rate, limits.burst, time.monotonic),
            invoker=NoFunctions(),
            integrations=Integrations({"FAKE": kind}, limits.integration_seconds),
            clock=time.monotonic,
        )

    async def connect(self) -> Accepted | Reply | AuthorizationRefusal:
        """A handshake."""
        return await self.lifecycle.connect("api", "live", HANDSHAKE)

    async def connect_and_lose(self) -> None:
        """A whole life without a message."""
        accepted = await self.connect()
        assert isinstance(accepted, Accepted)
        accepted.connection.lose()
        await self.lifecycle.drain()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ends, "_RETRY_SECONDS", 0.001)


async def test_a_crowd_can_be_seeded_past_connect() -> None:
    """A benchmark opens ten thousand sockets whose rows it writes itself: nothing is asked, and no quota is met."""
    kind = FakeKind()
    limits = replace(LIMITS, connect_rate=0.0, connect_burst=0)

    gateway = LifecycleFixture(
        kind, "$connect", authorization="CUSTOM", limits=limits, faults=Faults(skip_connect=True)
    )
    assert isinstance(await gateway.connect(), Accepted)
    assert len(gateway.connections) == 1
    assert kind.events == []


async def test_a_throttled_disconnect_is_tried_again() -> None:
    """A storm of disconnects meets the function's concurrency; the same event comes a little later."""
    kind = FakeKind(THROTTLED, THROTTLED, Reply(200))

    gateway = LifecycleFixture(kind, "$disconnect")
    await gateway.connect_and_lose()
    counters = gateway.counters
    assert (counters.disconnects_delivered, counters.disconnects_failed) == (1, 0)
    assert kind.events == [kind.events[0]] * 3


async def test_disconnect_is_given_up_after_some_tries() -> None:
    """Best effort, as in AWS."""
    kind = FakeKind(*[THROTTLED] * 50)

    gateway = LifecycleFixture(kind, "$disconnect")
    await gateway.connect_and_lose()
    counters = gateway.counters
    assert (counters.disconnects_delivered, counters.disconnects_failed, len(kind.events)) == (0, 1, 5)


async def test_disconnects_of_a_crowd_are_sent_in_tens_at_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once they would be ahead of every newcomer in the line for the local AWS."""
    monkeypatch.setattr(ends, "_A_SECOND", 1_000)

    class Together(FakeKind):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        async def call_together(
            self, integration: Integration, events: Sequence[GatewayEvent], timeout_seconds: float
        ) -> Sequence[Reply | IntegrationFailure]:
            self.sizes.append(len(events))
            return await super().call_together(integration, events, timeout_seconds)

    kind = Together()
    gateway = LifecycleFixture(kind, "$disconnect")
    accepted = [await gateway.connect() for _ in range(50)]
    for each in accepted:
        assert isinstance(each, Accepted)
        each.connection.lose()
    await gateway.lifecycle.drain()
    assert (gateway.counters.disconnects_delivered, kind.sizes) == (50, [10] * 5)

    monkeypatch.setattr(ends, "_A_SECOND", 0.001)
    for each in [await gateway.connect() for _ in range(20)]:
        assert isinstance(each, Accepted)
        each.connection.lose()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.lifecycle.drain(), 0.05)
    assert kind.sizes == [10] * 6
    await gateway.lifecycle.stop()


async def test_a_failed_disconnect_is_not_repeated() -> None:
    """The function has run."""
    kind = FakeKind(FAILED)

    gateway = LifecycleFixture(kind, "$disconnect")
    await gateway.connect_and_lose()
    counters = gateway.counters
    assert (counters.disconnects_failed, len(kind.events)) == (1, 1)


async def test_a_throttled_connect_is_a_500() -> None:
    """It is the client's to try again."""
    gateway = LifecycleFixture(FakeKind(THROTTLED), "$connect")
    refusal = await gateway.connect()
    assert isinstance(refusal, AuthorizationRefusal)
    assert refusal.status == 500
    assert len(gateway.connections) == 0


async def test_a_connect_that_breaks_leaves_no_connection() -> None:
    """Whatever breaks it."""
    gateway = LifecycleFixture(FakeKind(RuntimeError("broken")), "$connect")
    with pytest.raises(RuntimeError):
        await gateway.connect()
    assert len(gateway.connections) == 0


async def test_every_client_is_admitted_without_a_connect_route() -> None:
    """Its integration is optional."""
    assert isinstance(await LifecycleFixture(FakeKind()).connect(), Accepted)


async def test_an_unsupported_authorization_admits_no_client() -> None:
    """AWS_IAM, for one; better closed than open."""
    refusal = await LifecycleFixture(FakeKind(), "$connect", authorization="AWS_IAM").connect()
    assert isinstance(refusal, AuthorizationRefusal)
    assert refusal.status == 403


async def test_an_unsupported_integration_type_is_a_500() -> None:
    """And says so in the log."""
    answer = await Integrations({}, 29.0).call(Integration("HTTP_PROXY", "", 5.0), {})
    assert isinstance(answer, IntegrationFailure)
    assert (answer.status, answer.cause) == (500, "integrations of type HTTP_PROXY are not served")


async def test_messages_of_one_connection_run_side_by_side_up_to_a_bound() -> None:
    """Ten frames in one packet, three at a time; while some wait, the socket is not read."""
    transport, running, most = FakeTransport(), 0, 0

    class Counting(FakeKind):
        async def call(
            self, integration: Integration, event: GatewayEvent, timeout_seconds: float
        ) -> Reply | IntegrationFailure:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            return await super().call(integration, event, timeout_seconds)

    kind = Counting()

    gateway = LifecycleFixture(kind, "$default", limits=Limits(frames_in_flight=3))
    accepted = await gateway.connect()
    assert isinstance(accepted, Accepted)
    accepted.connection.open(transport)
    accepted.connection.receive(b"".join(client_frame(1, b"%d" % number) for number in range(10)))
    assert transport.reading is False
    accepted.connection.lose()
    await gateway.lifecycle.drain()
    assert most == 3
    assert sorted(event["body"] for event in kind.events) == [str(number) for number in range(10)]
    assert transport.reading is True


async def test_stopping_drops_unfinished_invocations() -> None:
    """A gateway that ends does not wait for functions that hang."""

    class Hanging(FakeKind):
        async def call(
            self, integration: Integration, event: GatewayEvent, timeout_seconds: float
        ) -> Reply | IntegrationFailure:
            await asyncio.sleep(3_600)
            return await super().call(integration, event, timeout_seconds)

    gateway = LifecycleFixture(Hanging(), "$disconnect")
    accepted = await gateway.connect()
    assert isinstance(accepted, Accepted)
    accepted.connection.lose()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(gateway.lifecycle.drain(), 0.05)
    await gateway.lifecycle.stop()
    await gateway.lifecycle.drain()
