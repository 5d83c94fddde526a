"""Limits are exact under concurrency, and a refused client's reservation is released."""

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from loudhailer.ids import TenantId
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.model import connects_of_session, connects_of_tenant
from loudhailer.sessions.dynamodb import DynamoSessionStore
from tests.e2e.scene import Guest, Scene, SceneSession
from tests.e2e.system import System, log_events
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tools.client.crowd import Crowd, Member
from tools.client.socket import HandshakeRefusedError, Refusal

FEW_AND_MANY = pytest.mark.parametrize("at_once", [60, pytest.param(200, marks=pytest.mark.nightly)])
"""The number of clients that connect at once; a limit lets in a quarter of them."""

SAMPLES = {
    "bronze": (60, 5, 2, 10, 200, 60, False),
    "silver": (120, 10, 5, 100, 300, 600, False),
    "gold": (180, 30, 10, 1000, 300, 6000, True),
}
SETTINGS = (
    *("tenantPerMinute", "sessionPerMinute", "connectionsPerSession", "tenantConnections"),
    *("sessionTTL", "messagesPerMinute", "silo"),
)


async def test_the_sample_tenants_are_listed_with_their_limits(scene: Scene) -> None:
    """Three are there for the demonstration, and the last of them has a silo."""
    items = {item["tenantId"]: item for item in (await scene.api.call("GET", "/tenant"))["Items"]}
    assert {name: tuple(items[name][setting] for setting in SETTINGS) for name in SAMPLES} == SAMPLES


async def test_the_sessions_of_a_tenant_are_limited(scene: Scene) -> None:
    """The answer names the limit; another tenant has its own."""
    tenant = scene.tenant(tenant_sessions=2)
    for _ in range(2):
        await scene.session(tenant)
    query = {"tenantId": tenant, "sessionId": scene.secret()}
    answer = await scene.api.call("PUT", "/session", query=query, success=429)
    assert answer == {"message": "Too Many Requests", "limit": "tenantSessions"}
    await scene.session(scene.tenant())


async def storm(crowd: Crowd, urls: list[str]) -> tuple[list[Member], list[Refusal]]:
    """All clients connect at the same moment."""
    answers = await crowd.connect(urls, concurrency=len(urls))
    members = [answer for answer in answers if isinstance(answer, Member)]
    return members, [answer for answer in answers if isinstance(answer, Refusal)]


async def limits_reached(scene: Scene, tenant: TenantId, refusals: int) -> list[str]:
    """Return the limits that `connect` has logged for that many refused clients: no client learns its limit."""
    group = f"/aws/lambda/{scene.system.deployment.functions['connect']}"

    def logged() -> list[str]:
        lines = map(json.loads, {event for event in log_events(scene.system, group) if "connection refused" in event})
        return [line["limit"] for line in lines if line["tenant_id"] == tenant and "limit" in line]

    return await eventually(logged, lambda limits: len(limits) >= refusals)


@FEW_AND_MANY
@pytest.mark.parametrize(
    ("limit", "sessions", "named"),
    [("tenant_connections", 5, "tenantConnections"), ("connections_per_session", 1, "connectionsPerSession")],
)
async def test_a_storm_fills_a_limit_to_the_last_place(
    scene: Scene, limit: str, sessions: int, named: str, at_once: int
) -> None:
    """Exactly as many clients get in as may; when they have left, as many others do."""
    most = at_once // 4
    tenant, crowd = scene.tenant(**{limit: most}), Crowd()
    opened = [await scene.session(tenant) for _ in range(sessions)]
    turned_away = 0
    for clients in (at_once, most + 1):
        members, refusals = await storm(crowd, [opened[number % sessions].url for number in range(clients)])
        assert len(members) == most
        assert {refusal.status for refusal in refusals} == {429}
        turned_away += len(refusals)
        assert await limits_reached(scene, tenant, turned_away) == [named] * turned_away
        await scene.counted(tenant, most)
        await crowd.leave(members)
        await scene.counted(tenant, 0)


def attempts(system: System, session: SceneSession) -> dict[str, int]:
    """Return the counts of a tenant's and a session's minutes, by their keys."""
    rows = system.dynamodb.scan(TableName=system.table("limits"), ConsistentRead=True)["Items"]
    prefixes = tuple(
        f"{counter.name}:"
        for counter in (
            connects_of_tenant(session.tenant),
            connects_of_session(session.tenant, session.kept_as(system)),
        )
    )
    return {row["key"]["S"]: int(row["itemCount"]["N"]) for row in rows if row["key"]["S"].startswith(prefixes)}


@FEW_AND_MANY
@pytest.mark.parametrize(
    ("limit", "named", "counter"),
    [("tenant_per_minute", "tenantPerMinute", 0), ("session_per_minute", "sessionPerMinute", 1)],
)
async def test_a_storm_is_let_in_up_to_the_minutes_limit(
    scene: Scene, limit: str, named: str, counter: int, at_once: int
) -> None:
    """In each minute exactly as many as may; every attempt counts; refused clients have released their reservations."""
    most = at_once // 4
    tenant, crowd = scene.tenant(**{limit: most}), Crowd()
    session = await scene.session(tenant)
    others = [await scene.session(tenant) for _ in range(at_once - 1)] if counter == 0 else [session] * (at_once - 1)
    members, refusals = await storm(crowd, [one.url for one in (session, *others)])
    prefix = (connects_of_tenant(tenant), connects_of_session(tenant, session.kept_as(scene.system)))[counter].name
    minutes = {key: number for key, number in attempts(scene.system, session).items() if key.startswith(f"{prefix}:")}
    assert sum(minutes.values()) == at_once
    assert len(members) == sum(min(number, most) for number in minutes.values())
    assert {refusal.status for refusal in refusals} == {429}
    assert await limits_reached(scene, tenant, len(refusals)) == [named] * len(refusals)
    await scene.counted(tenant, len(members))
    await crowd.leave(members)
    await scene.counted(tenant, 0)


async def refused(sessions: AsyncIterator[SceneSession]) -> Refusal:
    """Return the answer to the first refused client; admitted ones leave at once."""
    async for session in sessions:
        try:
            guest = await Guest.connect(session.url)
        except HandshakeRefusedError as error:
            return error.refusal
        guest.leave()
        await guest.closed()
    raise AssertionError("nobody was refused")


async def always(session: SceneSession) -> AsyncIterator[SceneSession]:
    """One session, again and again."""
    while True:
        yield session


async def fresh(scene: Scene, tenant: TenantId) -> AsyncIterator[SceneSession]:
    """New sessions of a tenant, without end."""
    while True:
        yield await scene.session(tenant)


@pytest.mark.image_smoke
async def test_the_first_limit_in_order_refuses(scene: Scene) -> None:
    """Session's minute, session's connections, tenant's minute, tenant's total: each 429 on its own, by its name."""
    ones = {"session_per_minute": 1, "connections_per_session": 1, "tenant_connections": 1}
    session = await scene.session(scene.tenant(**ones))
    refusal = await refused(always(session))
    assert (refusal.status, await limits_reached(scene, session.tenant, 1)) == (429, ["sessionPerMinute"])
    del ones["session_per_minute"]
    session = await scene.session(scene.tenant(**ones))
    await scene.connect(session)
    refusal = await refused(always(session))
    assert (refusal.status, await limits_reached(scene, session.tenant, 1)) == (429, ["connectionsPerSession"])
    await scene.counted(session.tenant, 1)
    tenant = scene.tenant(tenant_per_minute=1, tenant_connections=1)
    refusal = await refused(fresh(scene, tenant))
    assert (refusal.status, await limits_reached(scene, tenant, 1)) == (429, ["tenantPerMinute"])
    await scene.counted(tenant, 0)
    tenant = scene.tenant(tenant_connections=1)
    await scene.guest(tenant)
    refusal = await refused(fresh(scene, tenant))
    assert (refusal.status, await limits_reached(scene, tenant, 1)) == (429, ["tenantConnections"])
    await scene.counted(tenant, 1)


async def test_refusals_of_one_session_do_not_affect_its_tenant(scene: Scene) -> None:
    """Its attempts to connect and its messages are far over the tenant's limits; another session does not notice."""
    tenant = scene.tenant(tenant_per_minute=60, session_per_minute=30, messages_per_minute=60)
    greedy = await scene.session(tenant)
    crowd = Crowd()
    members, refusals = await storm(crowd, [greedy.url] * 100)
    assert len(members) <= 30  # a quarter of the tenant's in each of two minutes
    assert len(refusals) >= 70
    await crowd.leave(members)
    (ann,) = await scene.guests(await scene.session(tenant), 1)
    noisy = await scene.guest(tenant)
    for number in range(100):
        noisy.send_json({"action": "PooledSQS", "message": number})
    await noisy.frame()
    ann.send_json({"action": "PooledSQS", "message": "Am I heard?"})
    assert (await ann.frame())["message"]["message"] == "Am I heard?"


def is_open(scene: Scene, session: SceneSession) -> bool:
    """Tell whether the session's row is there."""
    store = DynamoSessionStore(scene.system.dynamodb, scene.system.table("sessions"))
    return store.get(session.tenant, session.kept_as(scene.system)) is not None


FLOODS = {
    "nonsense": "nonsense",
    "messages": {"action": "sendmessage", "roomKey": "lobby", "content": "hello"},
    "joins": {"action": "joinroom", "roomKey": "lobby", "nickName": "Ann"},
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_session_that_floods_is_ended_on_every_route(scene: Scene, flood: str) -> None:
    """Ten times over its limit, all its connections are closed, and no other session is; pings count for nobody."""
    tenant = scene.tenant(messages_per_minute=2)
    session = await scene.session(tenant)
    ann, bob = await scene.guests(session, 2)
    carl = await scene.guest(tenant)
    frame = FLOODS[flood]
    for _ in range(200):  # enough for two minutes, and for frames that no environment has counted yet
        ann.send(frame if isinstance(frame, str) else json.dumps(frame))
    await ann.closed(PATIENCE_SECONDS)
    await bob.closed(PATIENCE_SECONDS)
    assert not is_open(scene, session)
    carl.send_json({"action": "ping"})
    assert await carl.frame() == {"action": "pong"}


async def test_refused_handshakes_end_a_session_that_floods(scene: Scene) -> None:
    """A full session that is connected to far more often than it may: then nobody can with its id."""
    tenant = scene.tenant(session_per_minute=2, connections_per_session=1)
    session = await scene.session(tenant)
    ann = await scene.connect(session)
    assert (await storm(Crowd(), [session.url] * 60))[0] == []
    await ann.closed(PATIENCE_SECONDS)
    assert not is_open(scene, session)
    assert (await scene.refusal(tenantId=tenant, sessionId=session.session)).status == 403


async def test_room_messages_keep_to_the_budget_of_posts(scene: Scene) -> None:
    """A session's share is three posts a minute, one frame to this room; another session still has its own."""
    tenant = scene.tenant(posts_per_minute=12)
    guests = [await scene.guest(tenant) for _ in range(3)]
    for number, guest in enumerate(guests):
        guest.send_json({"action": "joinroom", "roomKey": "lobby", "nickName": f"guest {number}"})
        for inside in guests[: number + 1]:
            assert (await inside.frame())["action"] == "joinroom"
    ann = guests[0]
    answers = []
    for number in range(3):  # whichever minutes they are in, two are in the same one
        ann.send_json({"action": "sendmessage", "roomKey": "lobby", "content": str(number)})
        answers.append(await ann.frame())
    delivered = [answer for answer in answers if answer.get("action") == "sendmessage"]
    assert 1 <= len(delivered) <= 2
    assert [answer["message"] for answer in answers if answer not in delivered] == ["Too Many Requests"] * (
        3 - len(delivered)
    )
    assert await scene.received(guests[1:]) == [delivered, delivered]


async def test_a_place_without_a_connection_is_freed(scene: Scene) -> None:
    """A connection's row went and `accounting` gave the record up: the next client heals the session."""
    session = await scene.session(scene.tenant(connections_per_session=2))
    await scene.connect(session)
    system = scene.system
    system.dynamodb.update_item(
        TableName=system.table("sessions"),
        Key=session.row_key(system),
        UpdateExpression="ADD connectionIds :dead",
        ConditionExpression="attribute_exists(sessionId)",
        ExpressionAttributeValues={":dead": {"SS": ["00000#dead="]}},
    )
    await scene.connect(session)
    assert (await scene.refusal(tenantId=session.tenant, sessionId=session.session)).status == 429
    await scene.counted(session.tenant, 2)


async def test_the_count_of_a_minute_expires(scene: Scene) -> None:
    """Its row has a time to live."""
    session = await scene.session(scene.tenant())
    await asyncio.gather(*(scene.connect(session) for _ in range(3)))
    system = scene.system
    store = DynamoLimitStore(system.dynamodb, system.table("limits"), pause=time.sleep)
    counted = attempts(system, session)
    assert sum(counted.values()) == 6
    for key in counted:
        row = system.dynamodb.get_item(TableName=system.table("limits"), Key={"key": {"S": key}})["Item"]
        assert int(row["itemTTL"]["N"]) == int(key.rpartition(":")[2]) + 61
    assert store.total(session.tenant).count == 3
