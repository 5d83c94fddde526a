"""The `@connections` commands, by boto3 and by hand."""

import asyncio
import contextlib
import json
import socket
from datetime import UTC, datetime
from urllib.parse import quote

import aiohttp
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from yarl import URL

from tests.integration.emulator.gateway.local_api import (
    ACCOUNT,
    OTHER_ACCOUNT,
    REGION,
    LocalApi,
    RunningGateway,
    add_role,
    client,
    running_gateway,
)
from tests.support.aws import SECRET
from tests.support.waiting import wait_until
from tools.emulator.perimeter.signature import signed_headers


def signed(url: str, body: bytes) -> dict[str, str]:
    """The headers of a post that the account's root sends."""
    return signed_headers("POST", url, body, ACCOUNT, SECRET, service="execute-api", region=REGION)


@pytest.mark.emulator_contract
async def test_a_post_arrives_as_a_text_frame(gateway: RunningGateway) -> None:
    """Whatever characters the connection id has: twenty ids have them all."""
    for _ in range(20):
        async with gateway.connected() as connected:
            await asyncio.to_thread(
                gateway.management().post_to_connection, ConnectionId=connected.connection_id, Data="grüße".encode()
            )
            message = await connected.socket.receive(timeout=10)
        assert (message.type, message.data) == (aiohttp.WSMsgType.TEXT, "grüße")


async def test_an_id_is_understood_quoted_or_not(gateway: RunningGateway) -> None:
    """SDKs quote it, people forget to."""
    async with gateway.connected() as connected, aiohttp.ClientSession() as session:
        for path in (quote(connected.connection_id, safe=""), connected.connection_id):
            url = f"{gateway.management_url}/@connections/{path}"
            async with session.post(URL(url, encoded=True), data=b"x", headers=signed(url, b"x")) as answer:
                assert (answer.status, await answer.read()) == (200, b"")
            assert await connected.socket.receive_str(timeout=10) == "x"


@pytest.mark.emulator_contract
async def test_a_message_of_128_kb_passes_and_one_byte_more_is_413(gateway: RunningGateway) -> None:
    """The limit counts for posts too."""
    async with gateway.connected() as connected:
        management = gateway.management()
        data = b"x" * (128 * 1024)
        await asyncio.to_thread(management.post_to_connection, ConnectionId=connected.connection_id, Data=data)
        assert len(await connected.socket.receive_str(timeout=10)) == len(data)
        with pytest.raises(management.exceptions.PayloadTooLargeException):
            management.post_to_connection(ConnectionId=connected.connection_id, Data=data + b"x")


async def test_an_unknown_connection_is_gone(gateway: RunningGateway) -> None:
    """For every command."""
    management = gateway.management()
    for call in (management.get_connection, management.delete_connection):
        with pytest.raises(management.exceptions.GoneException):
            call(ConnectionId="L0SM9cOFvHcCIhw=")
    with pytest.raises(management.exceptions.GoneException):
        management.post_to_connection(ConnectionId="a/b+c=", Data=b"x")


@pytest.mark.emulator_contract
async def test_a_closed_connection_is_gone(gateway: RunningGateway) -> None:
    """At once when its close frame has been seen."""
    async with gateway.connected() as connected:
        pass
    management = gateway.management()
    with pytest.raises(management.exceptions.GoneException):
        management.post_to_connection(ConnectionId=connected.connection_id, Data=b"x")


@pytest.mark.emulator_contract
async def test_a_connection_is_gone_until_connect_has_answered(gateway: RunningGateway) -> None:
    """AWS: "a message was posted before the connection was established"."""
    handshake = asyncio.create_task(gateway.refused(gateway.websocket_url(sleep="1", marker="young")))
    young = await asyncio.to_thread(_wait_for_young, gateway.api)
    management = gateway.management()
    assert (await gateway.control("/_gateway/stats"))["connections_connecting"] == 1
    with pytest.raises(management.exceptions.GoneException):
        management.post_to_connection(ConnectionId=young, Data=b"too early")
    assert (await handshake)[0] == 101


def _wait_for_young(api: LocalApi) -> str:
    def find() -> str | None:
        for path in api.notes.glob("*.json"):
            event = json.loads(path.read_text())
            if event.get("queryStringParameters", {}).get("marker") == "young":
                connection_id: str = event["requestContext"]["connectionId"]
                return connection_id
        return None

    return wait_until(find)


@pytest.mark.emulator_contract
async def test_get_describes_the_connection(gateway: RunningGateway) -> None:
    """Times and identity, as boto3 reads them."""
    async with gateway.connected() as connected:
        found = gateway.management().get_connection(ConnectionId=connected.connection_id)
    assert abs((datetime.now(UTC) - found["ConnectedAt"]).total_seconds()) < 10
    assert found["LastActiveAt"] >= found["ConnectedAt"]
    assert found["Identity"]["SourceIp"] == "127.0.0.1"
    assert "aiohttp" in found["Identity"]["UserAgent"]


@pytest.mark.emulator_contract
async def test_delete_closes_the_connection_with_1000(gateway: RunningGateway) -> None:
    """And `$disconnect` follows."""
    async with gateway.connected() as connected:
        gateway.management().delete_connection(ConnectionId=connected.connection_id)
        assert await connected.close_code() == 1000
    context = gateway.api.disconnect_event(connected.connection_id)["requestContext"]
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1000, "Connection Closed Normally")


@pytest.mark.emulator_contract
async def test_an_unsigned_command_is_403(gateway: RunningGateway) -> None:
    """boto3 sees MissingAuthenticationTokenException, as from AWS."""
    unsigned = gateway.management(config=Config(signature_version=UNSIGNED))
    with pytest.raises(ClientError) as caught:
        unsigned.post_to_connection(ConnectionId="x", Data=b"x")
    assert caught.value.response["Error"]["Code"] == "MissingAuthenticationTokenException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


@pytest.mark.emulator_contract
async def test_another_accounts_command_is_403(gateway: RunningGateway) -> None:
    """Also for an API that is not there, and for a key that nobody has."""
    async with gateway.connected() as connected:
        for access_key in (OTHER_ACCOUNT, "ASIANOTHINGISKNOWN00"):
            management = gateway.management(access_key)
            with pytest.raises(management.exceptions.ForbiddenException):
                management.post_to_connection(ConnectionId=connected.connection_id, Data=b"x")
        nowhere = client("apigatewaymanagementapi", f"{gateway.url}/nowhere0/live")
        with pytest.raises(nowhere.exceptions.ForbiddenException):
            nowhere.post_to_connection(ConnectionId=connected.connection_id, Data=b"x")


async def test_a_roles_session_may_post_to_its_own_account(gateway: RunningGateway) -> None:
    """The local AWS knows a session's key and its account: the way of the subscriber accounts."""
    root = {"AWS": f"arn:aws:iam::{OTHER_ACCOUNT}:root"}
    async with gateway.connected() as connected:
        outcomes = {}
        for account in ("111111111111", OTHER_ACCOUNT):
            role = add_role(gateway.api.endpoint, "subscriber", root, account=account)
            credentials = client("sts", gateway.api.endpoint, OTHER_ACCOUNT).assume_role(
                RoleArn=role, RoleSessionName="subscriber"
            )["Credentials"]
            management = gateway.management(credentials["AccessKeyId"], secret=credentials["SecretAccessKey"])
            try:
                management.post_to_connection(ConnectionId=connected.connection_id, Data=account.encode())
                outcomes[account] = 200
            except ClientError as error:
                outcomes[account] = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert outcomes == {"111111111111": 200, OTHER_ACCOUNT: 403}
        assert await connected.socket.receive_str(timeout=10) == "111111111111"


@pytest.mark.emulator_contract
async def test_a_client_that_does_not_read_makes_its_posts_429(api: LocalApi) -> None:
    """LimitExceededException for that client alone; it gets every frame that was accepted once it reads again."""
    with running_gateway(api, "--client-buffer-bytes", "200000") as gateway:
        async with gateway.connected() as other:
            before = set((await gateway.control("/_gateway/connections"))["connection_ids"])
            with socket.socket() as slow:
                slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
                slow.connect(("127.0.0.1", gateway.port))
                target = gateway.websocket_url().split(str(gateway.port), 1)[1]
                slow.sendall(
                    f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
                )
                slow.recv(1_024)
                after = set((await gateway.control("/_gateway/connections"))["connection_ids"])
                (slow_id,) = after - before
                management = gateway.management()
                accepted = 0
                with contextlib.suppress(management.exceptions.LimitExceededException):
                    for _ in range(100):
                        management.post_to_connection(ConnectionId=slow_id, Data=b"x" * 50_000)
                        accepted += 1
                management.post_to_connection(ConnectionId=other.connection_id, Data=b"not held up")
                assert await other.socket.receive_str(timeout=10) == "not held up"
                slow.settimeout(10)
                expected = accepted * (50_000 + 4)
                received = 0
                while received < expected:
                    received += len(slow.recv(65_536))
                assert received == expected
    assert 4 <= accepted < 20


@pytest.mark.emulator_contract
async def test_a_burst_over_the_bucket_is_429(api: LocalApi) -> None:
    """5,000 in AWS, then 10,000 a second; each command costs one, whatever its answer."""
    with running_gateway(api, "--rate", "0.01", "--burst", "3") as gateway:
        management = gateway.management()
        statuses = []
        for _ in range(5):
            with pytest.raises(ClientError) as caught:
                management.post_to_connection(ConnectionId="x=", Data=b"x")
            statuses.append(caught.value.response["Error"]["Code"])
    assert statuses == ["GoneException"] * 3 + ["LimitExceededException"] * 2


async def test_pipelined_posts_are_answered_in_order(gateway: RunningGateway) -> None:
    """A sender may write without waiting, also when one of them must be looked up first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    async with gateway.connected() as connected:
        for api_id in (gateway.api.api_id, "nowhere2", gateway.api.api_id):
            target = f"/{api_id}/live/@connections/{quote(connected.connection_id, safe='')}"
            headers = signed(gateway.url + target, b"x") | {"Host": f"127.0.0.1:{gateway.port}", "Content-Length": "1"}
            lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(lines).encode() + b"x")
        statuses: list[int] = []
        while len(statuses) < 3:
            head_of_answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            statuses.append(int(head_of_answer.split(b" ")[1]))
            size = int(head_of_answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(size)
    writer.close()
    await writer.wait_closed()
    assert statuses == [200, 403, 200]
