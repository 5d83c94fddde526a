"""Ends of connections, and the events of `$disconnect`."""

import asyncio

import pytest

from tests.integration.emulator.gateway.local_api import LocalApi, RunningGateway, running_gateway


@pytest.mark.parametrize(("code", "expected"), [(1000, 1000), (1001, 1001), (4000, 4000)])
async def test_a_clients_close_is_reported_with_code_reason_and_context(
    gateway: RunningGateway, code: int, expected: int
) -> None:
    """The context is the authorizer's, from which the row's key is known."""
    async with gateway.connected() as client:
        await client.socket.close(code=code, message=b"bye")
    context = gateway.api.disconnect_event(client.connection_id)["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (expected, "bye")
    assert context["authorizer"]["tenantId"] == "tenant"
    assert context["eventType"] == "DISCONNECT"


@pytest.mark.emulator_contract
async def test_a_lost_network_is_reported_as_1006(gateway: RunningGateway) -> None:
    """No close frame came."""
    async with gateway.connected() as client:
        transport = client.socket.get_extra_info("socket")
        assert transport is not None
        await gateway.control("/_gateway/close", {"connection_ids": [client.connection_id]})
        await client.close_code()
    context = gateway.api.disconnect_event(client.connection_id)["requestContext"]
    assert context["disconnectStatusCode"] == 1006


async def test_a_socket_that_is_half_closed_ends(gateway: RunningGateway) -> None:
    """A client that shuts down its side and keeps the other one open is reported to `$disconnect` as lost."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    target = gateway.websocket_url().split(str(gateway.port), 1)[1]
    before = set((await gateway.control("/_gateway/connections"))["connection_ids"])
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    (connection_id,) = set((await gateway.control("/_gateway/connections"))["connection_ids"]) - before
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    await writer.wait_closed()
    assert gateway.api.disconnect_event(connection_id)["requestContext"]["disconnectStatusCode"] == 1006


async def test_connections_can_be_closed_by_number_and_with_a_code(api: LocalApi) -> None:
    """So that a test can make half of a crowd leave."""
    with running_gateway(api) as gateway:
        async with gateway.connected() as one, gateway.connected() as two:
            assert await gateway.control("/_gateway/close", {"count": 1, "code": 1012}) == {"closed": 1}
            first_done, _ = await asyncio.wait(
                [asyncio.ensure_future(each.close_code()) for each in (one, two)],
                return_when=asyncio.FIRST_COMPLETED,
            )
            assert [task.result() for task in first_done] == [1012]
            assert await gateway.control("/_gateway/close", {"count": 9}) == {"closed": 1}
            stats = await gateway.stats_when("disconnects_delivered", 2)
    assert stats["close_codes"] == {"1006": 1, "1012": 1}
    assert stats["connections_open"] == 0


async def test_disconnect_events_can_get_lost(api: LocalApi) -> None:
    """AWS calls them best effort."""
    with running_gateway(api, "--drop-disconnect", "1") as gateway:
        async with gateway.connected() as client:
            pass
        stats = await gateway.stats_when("disconnects_dropped", 1)
        assert (stats["disconnects_dropped"], stats["disconnects_delivered"]) == (1, 0)
    assert api.events(client.connection_id, "$disconnect") == []


@pytest.mark.emulator_contract
async def test_disconnect_events_can_come_without_context(api: LocalApi) -> None:
    """AWS does not promise it there."""
    with running_gateway(api, "--drop-authorizer-context") as gateway:
        async with gateway.connected() as client:
            assert "authorizer" in (await client.ask(action="echo"))["requestContext"]
        event = api.disconnect_event(client.connection_id)
    assert "authorizer" not in event["requestContext"]


@pytest.mark.emulator_contract
async def test_a_stopped_gateway_closes_its_sockets_with_1001_and_exits_cleanly(api: LocalApi) -> None:
    """The fixture checks that the exit status is 0."""
    with running_gateway(api) as gateway:
        async with gateway.connected() as client:
            gateway.process.terminate()
            assert await client.close_code() == 1001
            await asyncio.to_thread(gateway.process.wait, 10)
    assert api.disconnect_event(client.connection_id)["requestContext"]["disconnectStatusCode"] == 1001
