"""Faults at run time, and the control endpoints."""

import asyncio
import time

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, HTTPClientError

from tests.integration.emulator.gateway.local_api import LocalApi, RunningGateway, running_gateway


async def post_outcomes(gateway: RunningGateway, connection_id: str, posts: int) -> list[str]:
    """Return what boto3 makes of each post."""
    management = gateway.management()

    def post() -> str:
        try:
            management.post_to_connection(ConnectionId=connection_id, Data=b"x")
        except ClientError as error:
            return error.response["Error"]["Code"]
        except (ConnectionClosedError, HTTPClientError):
            return "reset"
        return "ok"

    return await asyncio.to_thread(lambda: [post() for _ in range(posts)])


@pytest.mark.parametrize(
    ("fault", "outcome", "delivered"),
    [
        ("error_rate", "InternalServerErrorException", 0),
        ("throttle_rate", "LimitExceededException", 0),
        ("reset_rate", "reset", 0),
        ("lost_response_rate", "reset", 3),
    ],
)
async def test_posts_fail_at_the_configured_rate(api: LocalApi, fault: str, outcome: str, delivered: int) -> None:
    """Only a lost response delivers; that is how duplicates are provoked."""
    with running_gateway(api) as gateway:
        async with gateway.connected() as client:
            await gateway.control("/_gateway/faults", {fault: 1})
            assert await post_outcomes(gateway, client.connection_id, 3) == [outcome] * 3
            await gateway.control("/_gateway/faults", {})
            assert await post_outcomes(gateway, client.connection_id, 1) == ["ok"]
            stats = await gateway.control("/_gateway/stats")
    assert stats["frames_sent"] == delivered + 1
    assert stats["posts_reset"] == (3 if outcome == "reset" else 0)


async def test_latency_is_added_to_posts(api: LocalApi) -> None:
    """And to nothing else."""
    with running_gateway(api, "--latency-ms", "300") as gateway:
        async with gateway.connected() as client:
            started = time.monotonic()
            await post_outcomes(gateway, client.connection_id, 2)
            assert time.monotonic() - started >= 0.6


async def test_a_connection_can_be_filled(gateway: RunningGateway) -> None:
    """Posts to it are refused as to a client that does not read, and those to others are not."""
    async with gateway.connected() as sleeper, gateway.connected() as other:
        await gateway.control("/_gateway/fill", {"connection_ids": [sleeper.connection_id]})
        assert await post_outcomes(gateway, sleeper.connection_id, 2) == ["LimitExceededException"] * 2
        assert await post_outcomes(gateway, other.connection_id, 1) == ["ok"]


async def test_a_connection_can_be_held_back_after_connect_has_answered(api: LocalApi) -> None:
    """The time in which a fresh connection's posts are 410."""
    with running_gateway(api, "--connect-delay-ms", "500") as gateway:
        started = time.monotonic()
        async with gateway.connected():
            assert time.monotonic() - started >= 0.5


async def test_faults_can_be_read_and_bad_ones_are_refused(gateway: RunningGateway) -> None:
    """With the field's name; nothing changes."""
    for bad in (b'{"eror_rate": 1}', b'{"error_rate": 2}', b"[]", b'"x"', b"{"):
        status, answer = await gateway.order("POST", "/_gateway/faults", bad)
        assert status == 400
        assert answer["message"]
    assert (await gateway.control("/_gateway/faults"))["error_rate"] == 0


async def test_an_unknown_control_endpoint_is_404(gateway: RunningGateway) -> None:
    """And a close without a choice is a 400."""
    assert (await gateway.order("GET", "/_gateway/nothing"))[0] == 404
    for bad in (b"{}", b'{"count": "all"}', b'{"count": 1, "code": "x"}'):
        assert (await gateway.order("POST", "/_gateway/close", bad))[0] == 400


@pytest.mark.emulator_contract
async def test_a_reload_serves_changed_routes(gateway: RunningGateway) -> None:
    """A changed route is served after it."""
    found = await gateway.control("/_gateway/reload", {})
    assert f"{gateway.api.api_id}/live" in found["deployments"]


async def test_the_counters_count_every_event(api: LocalApi) -> None:
    """One client, one message, two posts."""
    with running_gateway(api) as gateway:
        async with gateway.connected() as client:
            await client.ask(action="echo")
            await post_outcomes(gateway, client.connection_id, 2)
            stats = await gateway.control("/_gateway/stats")
    assert stats["connections_open"] == 1
    assert stats["handshakes"] == {"101": 1}
    assert (stats["frames_received"], stats["frames_sent"]) == (1, 3)
    assert stats["posts"] == {"200": 2}
    assert stats["invocations"] == {"returned": 3}
