"""The questions of the probe's own API, asked of a gateway stand-in with low limits, so that minutes become seconds."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.support.aws import SECRET
from tests.support.lambda_environment import ACCOUNT
from tools.client.http import Sign
from tools.emulator.gateway.api import Api, Integration, Route, Stage, Templates, Throttle
from tools.emulator.gateway.callers import RootKeys
from tools.emulator.gateway.faults import Faults
from tools.emulator.gateway.limits import Limits
from tools.emulator.gateway.server import Gateway
from tools.emulator.perimeter.signature import signed_headers
from tools.probe.own_api import ANSWER_TEMPLATE, ANSWERED, SILENT, STAGES
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.questions import QUESTIONS
from tools.probe.site import Pace, Site
from tools.probe.wire import Wire

API, STRANGER = "probe00000", "222222222222"
LOW = Limits(rate=2_000.0, burst=500, idle_seconds=1.0)
LOWER = replace(LOW, rate=400.0, burst=200)
"""Limits that a flood exceeds, however slow the machine is."""

PACE = Pace(
    posts_per_second=200.0,
    idle_seconds=1.0,
    reuse_seconds=0.3,
    metric_seconds=0.3,
    arrival_seconds=2.0,
    flood_posts_per_second=4_000.0,
    flood_seconds=0.6,
)
BY_NAME = {question.name: question for question in QUESTIONS}


class OwnApi:
    """The API as `own_api` makes it, without a local AWS."""

    def load(self) -> Iterable[Api]:
        """Return it alone."""
        mock = Integration(
            "MOCK",
            "",
            5.0,
            request=Templates("$default", {"$default": '{"statusCode":200}'}),
            responses={"$default": Templates("$default", {"$default": ANSWER_TEMPLATE})},
        )
        routes = {key: Route(key, mock, answers=key == ANSWERED) for key in (ANSWERED, SILENT)}
        stages = {
            name: Stage(
                name,
                default_throttle=Throttle(throttle["ThrottlingRateLimit"], throttle["ThrottlingBurstLimit"])
                if throttle
                else None,
            )
            for name, throttle in STAGES.items()
        }
        return [Api(API, ACCOUNT, "us-east-1", ("action",), routes, stages)]


def signer(account: str) -> Sign:
    """Sign as the root of an account."""
    return lambda method, url, body: signed_headers(method, url, body or b"", account, SECRET, service="execute-api")


@asynccontextmanager
async def site(limits: Limits = LOW, faults: Faults | None = None, **changes: Any) -> AsyncIterator[Site]:
    """A site whose stand-in has these limits and faults."""
    gateway = Gateway(
        source=OwnApi(),
        signing_keys=RootKeys(SECRET),
        aws_endpoint="",
        secret=SECRET,
        limits=limits,
        faults=faults or Faults(),
        drain_seconds=0.0,
    )
    async with gateway:
        plain = Site(
            sign=signer(ACCOUNT), pace=PACE, caller=signer(ACCOUNT), api_url=f"ws://127.0.0.1:{gateway.port}/{API}"
        )
        async with replace(plain, **changes) as ready:
            yield ready


@pytest.mark.parametrize(
    "question", [each for each in QUESTIONS if each.needs in {Need.API, Need.QUOTA}], ids=lambda each: each.name
)
async def test_the_stand_in_gives_the_expected_answer(question: Question) -> None:
    """Questions that wait for minutes in AWS are asked, too."""
    async with site(LOWER if question.needs is Need.QUOTA else LOW) as asked:
        answer = await question.ask(asked)
    assert answer.verdict == question.stand_in, answer.seen


OTHERWISE: list[tuple[str, str, Callable[[], Any]]] = [
    ("stage-throttle", "yes", lambda: site(faults=Faults(throttle_rate=1.0))),
    ("stage-throttle", UNDECIDED, lambda: site(faults=Faults(error_rate=1.0))),
    ("callback-quota", UNDECIDED, lambda: site(Limits(rate=float("inf")))),
    ("callback-quota", UNDECIDED, lambda: site(LOWER, caller=signer(STRANGER))),
    ("gone-counted", "yes", lambda: site(metric=lambda _stage, _metric: 53.0)),
    ("gone-counted", "no", lambda: site(metric=lambda _stage, _metric: 3.0)),
    ("slow-client", "takes all", lambda: site(replace(LOW, client_buffer_bytes=1_000_000_000))),
    ("slow-client", UNDECIDED, lambda: site(faults=Faults(error_rate=1.0))),
    ("ping-frame", UNDECIDED, lambda: site(replace(LOW, idle_seconds=60.0))),
    ("post-order", UNDECIDED, lambda: site(faults=Faults(throttle_rate=1.0))),
    ("large-post", "refused", lambda: site(replace(LOW, message_bytes=32 * 1024))),
    ("large-post", UNDECIDED, lambda: site(faults=Faults(error_rate=1.0))),
]


@pytest.mark.parametrize(
    ("name", "verdict", "elsewhere"), OTHERWISE, ids=[f"{each[0]}-{each[1]}" for each in OTHERWISE]
)
async def test_another_behaviour_gets_another_answer(name: str, verdict: str, elsewhere: Callable[[], Any]) -> None:
    """A question that always got the same answer would ask nothing."""
    async with elsewhere() as asked:
        answer: Answer = await BY_NAME[name].ask(asked)
    assert answer.verdict == verdict, answer.seen


async def test_a_connection_closed_by_the_server_is_detected() -> None:
    """Its answer comes whole before."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 410 Gone\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/x"
    async with server, await Wire.to(url) as wire:
        assert await wire.status(b"GET /x HTTP/1.1\r\n\r\n") == 410
        assert await wire.closed_within(30.0) is not None
        assert wire.protocol is None
