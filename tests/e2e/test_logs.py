"""Logs of the functions: enough to follow a broadcast, and no secret."""

import json
import time
from functools import partial
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.e2e.system import System, log_events, secrets_in_logs
from tests.support.waiting import eventually

MINUTE = 60


def lines(system: System, function: str) -> list[dict[str, Any]]:
    """The lines that a function has logged as JSON; the platform's own, which are not, are left out."""
    group = f"/aws/lambda/{system.deployment.functions[function]}"
    return [json.loads(event) for event in log_events(system, group) if event.startswith("{")]


async def logged(scene: Scene, function: str, **fields: Any) -> list[dict[str, Any]]:
    """The lines of a function that have these fields, as soon as there are any."""

    def look() -> list[dict[str, Any]]:
        return [line for line in lines(scene.system, function) if fields.items() <= line.items()]

    return await eventually(look)


@pytest.mark.image_smoke
async def test_every_step_of_a_broadcast_logs_its_id(scene: Scene) -> None:
    """A search for the id finds the whole way, and the errors on it."""
    session = await scene.session(tenant := scene.tenant())
    _, leaves, *_ = await scene.guests(session, 10)
    await scene.lose(leaves)
    await scene.faults(error_rate=0.5)
    for row in scene.system.connections_of(tenant):
        scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)
    broadcast_id = await scene.broadcast({"tenantId": tenant, "sessionId": session.session})
    await scene.report(broadcast_id)
    for function in ("publish", "swarm", "query", "post_message", "settle"):
        assert await logged(scene, function, broadcast_id=broadcast_id)


async def test_a_connection_is_found_in_the_logs_by_its_id(scene: Scene) -> None:
    """A refusal with its limit, and whatever got lost, is logged with the connection's id."""
    session = await scene.session(tenant := scene.tenant(connections_per_session=1))
    guest = await scene.connect(session)
    connection_id = await guest.connection_id()
    assert (await scene.refusal(tenantId=tenant, sessionId=session.session)).status == 429
    refusals = await logged(scene, "connect", tenant_id=tenant, limit="connectionsPerSession")
    assert all(line["connection_id"] for line in refusals)
    await scene.faults(drop_authorizer_context=True)
    guest.leave()
    assert await logged(scene, "disconnect", connection_id=connection_id)


async def test_every_function_reports_metrics(scene: Scene) -> None:
    """In CloudWatch's embedded format: each line names its metrics and holds their values."""
    await scene.broadcast({"tenantId": (tenant := scene.tenant())})
    (await scene.guest(tenant)).send("?")

    def namespaces(function: str) -> set[str]:
        metrics = [line["_aws"]["CloudWatchMetrics"] for line in lines(scene.system, function) if "_aws" in line]
        return {directive["Namespace"] for directives in metrics for directive in directives}

    for function in ("authorizer", "connect", "default_route", "publish", "swarm", "session_api"):
        assert await eventually(partial(namespaces, function)) == {"Loudhailer"}


@pytest.mark.image_smoke
async def test_no_log_holds_a_session_id(scene: Scene) -> None:
    """It is a bearer secret: every route gets one, well-formed and not, and no function logs it."""
    session = await scene.session(tenant := scene.tenant(connections_per_session=1), "ann")
    guest = await scene.connect(session)
    connection_id = await guest.connection_id()
    for text in (session.session, json.dumps({"action": session.session}), json.dumps({"sessionId": session.session})):
        guest.send(text)
        await guest.frame()
    for frame in (
        {"action": "joinroom", "roomKey": "lobby", "nickName": "Ann"},
        {"action": "sendmessage", "roomKey": "lobby", "content": session.session},
        {"action": "sendmessage", "destinationPlayerId": "bob", "message": session.session},
        {"action": "PooledSQS", "message": session.session},
    ):
        guest.send_json(frame)
        assert "error" not in await guest.frame(), frame
    ids = {"tenantId": tenant, "sessionId": session.session}
    assert (await scene.refusal(**ids)).status == 429
    assert (await scene.refusal(**ids, playerId="bob")).status == 403
    assert (await scene.refusal(tenantId="nobody", sessionId=scene.secret())).status == 403
    await scene.report(await scene.broadcast(ids, {"sessionId": session.session}))
    await scene.api.call("POST", "/broadcast", document={"audience": {**ids, "all": True}, "message": 1}, success=400)
    await scene.api.call("PUT", "/session", query=ids | {"playerId": "a#b"}, success=400)
    await scene.faults(drop_authorizer_context=True)
    await scene.api.call("DELETE", "/session", query=ids)
    guest.leave()
    assert await logged(scene, "disconnect", connection_id=connection_id)
    assert {session.session} <= scene.system.secrets
    assert secrets_in_logs(scene.system) == set()
