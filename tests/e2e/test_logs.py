"""What the functions log: enough to follow a broadcast, and no secret."""

import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests.e2e.scene import Scene
from tests.e2e.system import System
from tests.support.waiting import eventually

MINUTE = 60
MOST_EVENTS = 10_000
"""Of one FilterLogEvents."""


def events(system: System, group: str) -> Iterator[str]:
    """Every event of a log group, some of them twice: the local AWS gives so many at once, and no token for more."""
    since, full = 0, True
    while full:
        page = system.logs.filter_log_events(logGroupName=group, startTime=since)["events"]
        yield from (event["message"] for event in page)
        full = len(page) == MOST_EVENTS
        since = page[-1]["timestamp"] if full else since


def lines(system: System, function: str) -> list[dict[str, Any]]:
    """The lines that a function has logged as JSON; the platform's own, which are not, are left out."""
    group = f"/aws/lambda/{system.deployment.functions[function]}"
    return [json.loads(event) for event in events(system, group) if event.startswith("{")]


async def logged(scene: Scene, function: str, **fields: Any) -> list[dict[str, Any]]:
    """The lines of a function that have these fields, as soon as there are any."""

    def look() -> list[dict[str, Any]]:
        return [line for line in lines(scene.system, function) if fields.items() <= line.items()]

    return await eventually(look)


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
    """What was refused, and by which limit, and what got lost is logged with the connection's id."""
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


async def test_no_log_holds_a_session_id(scene: Scene) -> None:
    """It is a bearer secret, and this looks for that of every test before; some more try to get one into a log."""
    session = await scene.session(tenant := scene.tenant(connections_per_session=1), "ann")
    guest = await scene.connect(session)
    for text in (session.session, json.dumps({"action": session.session}), json.dumps({"sessionId": session.session})):
        guest.send(text)
        await guest.frame()
    ids = {"tenantId": tenant, "sessionId": session.session}
    assert (await scene.refusal(**ids)).status == 429
    assert (await scene.refusal(**ids, playerId="bob")).status == 403
    assert (await scene.refusal(tenantId="nobody", sessionId=scene.secret())).status == 403
    await scene.report(await scene.broadcast(ids, {"sessionId": session.session}))
    await scene.api.call("POST", "/broadcast", document={"audience": {**ids, "all": True}, "message": 1}, success=400)
    await scene.api.call("PUT", "/session", query=ids | {"playerId": "a#b"}, success=400)
    await scene.api.call("DELETE", "/session", query=ids)
    await scene.faults(drop_authorizer_context=True)
    guest.leave()
    await scene.counted(tenant, 1)
    system = scene.system
    groups = [group["logGroupName"] for page in pages(system) for group in page["logGroups"]]
    assert {f"/aws/lambda/{name}" for name in system.deployment.functions.values()} <= set(groups)
    logs = {group: "\n".join(events(system, group)) for group in groups}
    logs |= {path.name: path.read_text(errors="replace") for path in system.directory.log("any").parent.iterdir()}
    told = {(name, secret) for name, log in logs.items() for secret in system.secrets if secret in log}
    assert told == set()
    assert session.session in system.secrets


def pages(system: System) -> Any:
    """The names of all log groups, page by page."""
    return system.logs.get_paginator("describe_log_groups").paginate()
