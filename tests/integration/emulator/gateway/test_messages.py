"""Messages from clients: routes, throttles, failures, limits and close codes."""

import asyncio
import json
import time

import aiohttp
import pytest

from tests.integration.emulator.gateway.local_api import LocalApi, RunningGateway, running_gateway
from tests.support.client_frames import client_frame
from tests.support.waiting import wait_until


@pytest.mark.emulator_contract
async def test_a_message_reaches_its_route_and_the_answer_comes_back(gateway: RunningGateway) -> None:
    """With the connection's ids and the authorizer's context."""
    async with gateway.connected() as client:
        event = await client.ask(action="echo", n=1)
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"]) == ("echo", "MESSAGE")
    assert context["connectionId"] == client.connection_id
    assert context["authorizer"]["principalId"] == "principal"
    assert json.loads(event["body"]) == {"action": "echo", "n": 1}


@pytest.mark.parametrize("text", ["not JSON", '{"action":"unknown"}', "[1]", ""])
async def test_a_message_without_a_known_route_takes_the_default(gateway: RunningGateway, text: str) -> None:
    """Also an empty message."""
    async with gateway.connected() as client:
        await client.socket.send_str(text)
        event = await client.socket.receive_json(timeout=10)
    assert (event["requestContext"]["routeKey"], event["body"]) == ("$default", text)


async def test_a_route_without_a_response_sends_nothing_back(gateway: RunningGateway) -> None:
    """The function's answer to it would have come before the third of the others."""
    async with gateway.connected() as client:
        await client.socket.send_str(json.dumps({"action": "silent"}))
        await asyncio.to_thread(wait_until, lambda: gateway.api.events(client.connection_id, "silent"))
        answers = [await client.ask(action="echo") for _ in range(3)]
    assert [each["requestContext"]["routeKey"] for each in answers] == ["echo"] * 3


async def test_a_request_without_a_response_is_answered_with_an_empty_frame_on_demand(gateway: RunningGateway) -> None:
    """Users of API Gateway report such frames; its guide does not mention them."""
    async with gateway.connected() as client:
        await gateway.control("/_gateway/faults", {"empty_frames": True})
        try:
            await client.socket.send_str(json.dumps({"action": "silent"}))
            assert await client.socket.receive_str(timeout=10) == ""
        finally:
            await gateway.control("/_gateway/faults", {})


@pytest.mark.parametrize("message", [{"action": "silent", "order": "crash"}, {"action": "missing"}])
async def test_a_failing_integration_is_an_internal_server_error(
    gateway: RunningGateway, message: dict[str, str]
) -> None:
    """The function raises or is not there; also on a route without a route response."""
    async with gateway.connected() as client:
        answer = await client.ask(**message)
    assert answer.keys() == {"message", "connectionId", "requestId"}
    assert (answer["message"], answer["connectionId"]) == ("Internal server error", client.connection_id)


@pytest.mark.emulator_contract
async def test_a_throttled_route_does_not_affect_others(gateway: RunningGateway) -> None:
    """Two pass, the third gets the error in AWS's form."""
    async with gateway.connected() as client:
        answers = [await client.ask(action="throttled") for _ in range(3)]
        other = await client.ask(action="echo")
    assert [each.get("message") for each in answers] == [None, None, "Too Many Requests"]
    assert answers[2].keys() == {"message", "connectionId", "requestId"}
    assert other["requestContext"]["routeKey"] == "echo"


@pytest.mark.emulator_contract
async def test_messages_and_posts_share_the_accounts_bucket(api: LocalApi) -> None:
    """Messages of clients use up tokens that posts miss."""
    with running_gateway(api, "--rate", "0.01", "--burst", "2") as gateway:
        async with gateway.connected() as client:
            await client.ask(action="echo")
            management = gateway.management()
            management.post_to_connection(ConnectionId=client.connection_id, Data=b"last token")
            with pytest.raises(management.exceptions.LimitExceededException):
                management.post_to_connection(ConnectionId=client.connection_id, Data=b"none left")
            assert await client.socket.receive_str() == "last token"
            assert (await client.ask(action="echo"))["message"] == "Too Many Requests"
            stats = await gateway.control("/_gateway/stats")
    assert (stats["frames_throttled"], stats["posts"]) == (1, {"200": 1, "429": 1})


async def test_messages_of_one_connection_run_side_by_side(gateway: RunningGateway) -> None:
    """AWS promises no order; a slow message holds up nobody."""
    async with gateway.connected() as client:
        await client.ask(action="echo")
        started = time.monotonic()
        await client.socket.send_str(json.dumps({"action": "missing"}))
        await client.socket.send_str(json.dumps({"action": "echo", "sleep": 1}))
        first = await client.socket.receive_json(timeout=10)
        elapsed = time.monotonic() - started
        await client.socket.receive_json(timeout=10)
    assert first["message"] == "Internal server error"
    assert elapsed < 1


async def test_a_flood_from_one_connection_is_held_in_its_socket_and_not_lost(api: LocalApi) -> None:
    """Two at a time here; of 600 KB, more than one read takes, all are answered in the end."""
    with running_gateway(api, "--frames-in-flight", "2") as gateway:
        async with gateway.connected() as client:
            for number in range(20):
                await client.socket.send_str(json.dumps({"action": "echo", "n": number, "filler": "x" * 30_000}))
            answers = [await client.socket.receive_json(timeout=30) for _ in range(20)]
    assert sorted(json.loads(each["body"])["n"] for each in answers) == list(range(20))


@pytest.mark.emulator_contract
async def test_a_binary_message_closes_with_1003(gateway: RunningGateway) -> None:
    """API Gateway takes text only."""
    async with gateway.connected() as client:
        await client.socket.send_bytes(b"x")
        assert await client.close_code() == 1003
    context = gateway.api.disconnect_event(client.connection_id)["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1003, "Unsupported data")


@pytest.mark.emulator_contract
async def test_a_frame_over_32_kb_closes_with_1009(gateway: RunningGateway) -> None:
    """And one of exactly 32 KB is answered."""
    filler = 32 * 1024 - len(json.dumps({"action": "silent", "x": ""}))
    async with gateway.connected() as client:
        await client.socket.send_str(json.dumps({"action": "silent", "x": "x" * filler}))
        await client.ask(action="echo")
        await client.socket.send_str("x" * (32 * 1024 + 1))
        assert await client.close_code() == 1009
    assert len(gateway.api.events(client.connection_id, "silent")) == 1


async def test_a_message_over_128_kb_in_small_frames_closes_with_1009(gateway: RunningGateway) -> None:
    """Four frames of 32 KB are a message, a fifth is too much."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    target = gateway.websocket_url().split(str(gateway.port), 1)[1]
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
    frame = b"x" * (32 * 1024)
    for index in range(5):
        writer.write(client_frame(1 if index == 0 else 0, frame, final=False))
    close = await asyncio.wait_for(reader.readexactly(4), 10)
    writer.close()
    await writer.wait_closed()
    assert close[0] == 0x88
    assert int.from_bytes(close[2:4], "big") == 1009


@pytest.mark.emulator_contract
async def test_an_idle_connection_is_closed_with_1001(api: LocalApi) -> None:
    """Ten minutes in AWS; a post or a message starts the time again, a ping does not."""
    with running_gateway(api, "--idle-seconds", "1.5") as gateway:
        async with gateway.connected() as idle, gateway.connected() as busy:
            started = time.monotonic()
            management = gateway.management()
            for _ in range(4):
                await asyncio.sleep(0.5)
                await asyncio.to_thread(
                    management.post_to_connection, ConnectionId=busy.connection_id, Data=b"still there"
                )
                if not idle.socket.closed:
                    await idle.socket.ping()
            code = await idle.close_code()
            assert time.monotonic() - started < 3
            assert not busy.socket.closed
        context = gateway.api.disconnect_event(idle.connection_id)["requestContext"]
    assert code == 1001
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")


async def test_an_old_connection_is_closed_with_1001_however_busy(api: LocalApi) -> None:
    """Two hours in AWS."""
    with running_gateway(api, "--connection-seconds", "1") as gateway:
        async with gateway.connected() as client:
            for _ in range(4):
                await asyncio.sleep(0.25)
                if not client.socket.closed:
                    await client.socket.send_str(json.dumps({"action": "silent"}))
            assert await client.close_code() == 1001


async def test_compression_is_not_agreed_on(gateway: RunningGateway) -> None:
    """A client may offer permessage-deflate; one that compresses without an agreement is closed with 1002."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    target = gateway.websocket_url().split(str(gateway.port), 1)[1]
    writer.write(
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith(b"http/1.1 101")
    assert b"sec-websocket-extensions" not in head
    writer.write(client_frame(1, b'{"action":"missing"}'))
    assert b"Internal server error" in await asyncio.wait_for(reader.readuntil(b"}"), 10)
    compressed = bytearray(client_frame(1, b"\xaaV*\xce\x04\x00"))
    compressed[0] |= 0x40  # the first reserved bit, which the extension defines
    writer.write(compressed)
    close = await asyncio.wait_for(reader.readexactly(4), 10)
    writer.close()
    await writer.wait_closed()
    assert close[0] == 0x88
    assert int.from_bytes(close[2:4], "big") == 1002


async def test_a_message_right_behind_the_handshake_is_not_lost(gateway: RunningGateway) -> None:
    """It may come in the same packet as the request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    target = gateway.websocket_url().split(str(gateway.port), 1)[1]
    request = (
        f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    writer.write(request.encode() + client_frame(1, b'{"action":"missing"}'))
    await reader.readuntil(b"\r\n\r\n")
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 10)
    writer.close()
    await writer.wait_closed()
    assert b"Internal server error" in answer


async def test_pings_are_answered(gateway: RunningGateway) -> None:
    """With a pong, by the gateway itself."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(gateway.websocket_url(), autoping=False) as socket,
    ):
        await socket.ping(b"?")
        answer = await socket.receive(timeout=10)
    assert (answer.type, bytes(answer.data)) == (aiohttp.WSMsgType.PONG, b"?")
