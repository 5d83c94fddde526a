"""Handshakes: authorizer, `$connect`, and the client's view of them."""

import asyncio

import aiohttp
import pytest

from tests.integration.emulator.gateway.local_api import LocalApi, RunningGateway, running_gateway


@pytest.mark.emulator_contract
async def test_a_client_connects_and_its_events_carry_headers_query_and_context(gateway: RunningGateway) -> None:
    """Authorizer first, then `$connect` with the authorizer's context as strings."""
    async with gateway.connected(x="1") as client:
        connect, authorizer = sorted(
            gateway.api.events(client.connection_id, "$connect"), key=lambda event: event.get("type", "")
        )
    assert authorizer["methodArn"].endswith(f":111111111111:{gateway.api.api_id}/live/$connect")
    assert authorizer["queryStringParameters"] == {"tenantId": "tenant", "x": "1"}
    assert "authorizer" not in authorizer["requestContext"]
    assert connect["requestContext"]["authorizer"] == {
        "tenantId": "tenant",
        "number": "5",
        "flag": "true",
        "principalId": "principal",
    }
    assert connect["requestContext"]["eventType"] == "CONNECT"
    assert connect["headers"]["Host"] == f"127.0.0.1:{gateway.port}"


@pytest.mark.parametrize(
    ("order", "status"),
    [("unauthorized", 401), ("deny", 403), ("elsewhere", 403), ("crash", 500), ("malformed", 500)],
)
async def test_the_authorizer_decides_on_the_handshake(gateway: RunningGateway, order: str, status: int) -> None:
    """401 for its error "Unauthorized", 403 for a policy that does not allow, 500 for its failures."""
    assert await gateway.handshake_status(authorizer=order) == status


@pytest.mark.emulator_contract
async def test_a_missing_identity_source_is_401_without_asking_the_authorizer(gateway: RunningGateway) -> None:
    """Missing or empty."""
    before = (await gateway.control("/_gateway/stats"))["invocations"]
    assert await gateway.handshake_status(tenantId="") == 401
    assert (await gateway.refused(gateway.management_url))[0] == 401
    assert (await gateway.control("/_gateway/stats"))["invocations"] == before


@pytest.mark.parametrize(
    ("order", "status"), [("429", 429), ("403", 403), ("500", 500), ("302", 302), ("crash", 502), ("malformed", 502)]
)
async def test_the_client_gets_the_status_of_connect(gateway: RunningGateway, order: str, status: int) -> None:
    """Its status when it refuses, 502 when it fails; never a connection."""
    assert await gateway.handshake_status(connect=order) == status


@pytest.mark.emulator_contract
async def test_the_body_of_a_refused_connect_reaches_no_client(gateway: RunningGateway) -> None:
    """API Gateway passes a body on only through a response of the route, and `$connect` has none."""
    assert await gateway.refused(gateway.websocket_url(connect="429", body="why")) == (429, "")


async def test_a_refused_client_leaves_nothing_behind(gateway: RunningGateway) -> None:
    """No connection, and no `$disconnect`."""
    stats = await gateway.control("/_gateway/stats")
    await gateway.handshake_status(connect="403")
    after = await gateway.control("/_gateway/stats")
    assert after["connections_open"] == after["connections_connecting"] == 0
    assert after["disconnects_delivered"] == stats["disconnects_delivered"]


async def test_any_2xx_accepts(gateway: RunningGateway) -> None:
    """200 is only the usual one."""
    async with gateway.connected(connect="204") as client:
        assert (await client.ask(action="echo"))["requestContext"]["routeKey"] == "echo"


async def test_connect_may_choose_the_subprotocol(gateway: RunningGateway) -> None:
    """It does so by the header of its answer, as AWS's guide shows."""
    url = gateway.websocket_url(subprotocol="chat")
    async with aiohttp.ClientSession() as session, session.ws_connect(url, protocols=["chat"]) as client:
        assert client.protocol == "chat"


@pytest.mark.emulator_contract
async def test_an_unknown_api_or_stage_is_forbidden(gateway: RunningGateway) -> None:
    """After a look whether it has been made meanwhile."""
    url = f"ws://127.0.0.1:{gateway.port}"
    assert (await gateway.refused(f"{url}/nowhere1/live"))[0] == 403
    assert (await gateway.refused(f"{url}/{gateway.api.api_id}/other"))[0] == 403


async def test_an_api_made_later_is_found_by_its_first_client(gateway: RunningGateway, api: LocalApi) -> None:
    """Without polling, and without a notice."""
    new = api.control_plane.create_api(
        Name="later", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    api.control_plane.create_stage(ApiId=new, StageName="live", AutoDeploy=True)
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"ws://127.0.0.1:{gateway.port}/{new}/live") as socket,
    ):
        await socket.send_str("x")
        assert (await socket.receive_json())["message"] == "Forbidden"
    api.control_plane.delete_api(ApiId=new)
    assert f"{new}/live" not in (await gateway.control("/_gateway/reload", {}))["deployments"]


@pytest.mark.emulator_contract
async def test_new_connections_over_the_rate_are_429(api: LocalApi) -> None:
    """500 a second in AWS; here two, and hardly more."""
    with running_gateway(api, "--connect-rate", "0.01", "--connect-burst", "2") as gateway:
        statuses = [await gateway.handshake_status() for _ in range(3)]
    assert statuses == [101, 101, 429]


async def test_a_slow_connect_is_cut_off(api: LocalApi) -> None:
    """29 s in AWS."""
    with running_gateway(api, "--integration-seconds", "0.3") as gateway:
        assert await gateway.handshake_status(sleep="1") == 504


@pytest.mark.emulator_contract
async def test_a_client_that_leaves_during_connect_causes_a_disconnect_event(gateway: RunningGateway) -> None:
    """`$connect` has run, so `$disconnect` must follow."""
    stats = await gateway.control("/_gateway/stats")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await gateway.refused(gateway.websocket_url(sleep="0.6"))
    after = await gateway.stats_when("disconnects_delivered", stats["disconnects_delivered"] + 1)
    assert after["connections_connecting"] == 0


async def test_a_plain_request_is_asked_to_upgrade(gateway: RunningGateway) -> None:
    """It is a WebSocket endpoint."""
    async with aiohttp.ClientSession() as session, session.get(gateway.management_url) as answer:
        assert answer.status == 426
