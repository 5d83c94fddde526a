"""Sessions end with all that belongs to them, whatever ends them, and nothing brings them back."""

import asyncio
import time
from itertools import product
from typing import Any

import pytest

from loudhailer.aws.rows import Item
from tests.e2e.faults import paused
from tests.e2e.scene import Guest, Scene, SceneSession
from tests.e2e.system import System
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tools.client.socket import HandshakeRefusedError, Refusal

ABNORMAL_CLOSURE = 1006
MINUTE = 60


def query_of(session: SceneSession) -> dict[str, str]:
    """A session as the query of a request names it."""
    return {"tenantId": session.tenant, "sessionId": session.session}


async def delete(scene: Scene, session: SceneSession) -> None:
    """End a session as a client does."""
    assert await scene.api.call("DELETE", "/session", query=query_of(session)) == {}


async def all_closed(guests: list[Guest]) -> None:
    """Wait until the service has closed every socket, with a close frame."""
    codes = await asyncio.gather(*(guest.closed(PATIENCE_SECONDS) for guest in guests))
    assert ABNORMAL_CLOSURE not in codes


def expire(system: System, session: SceneSession, seconds: int = -1) -> None:
    """Let the session's time be over, or end so many seconds from now."""
    system.dynamodb.update_item(
        TableName=system.table("sessions"),
        Key=session.row_key(system),
        UpdateExpression="SET sessionTTL = :end",
        ConditionExpression="attribute_exists(sessionId)",
        ExpressionAttributeValues={":end": {"N": str(int(time.time()) + seconds)}},
    )


def row_of(system: System, session: SceneSession) -> Item:
    """The session's row, empty if there is none."""
    table = system.table("sessions")
    return dict(
        system.dynamodb.get_item(TableName=table, Key=session.row_key(system), ConsistentRead=True).get("Item", {})
    )


def expires_at(system: System, session: SceneSession) -> int:
    """When the session ends, by its row."""
    return int(row_of(system, session)["sessionTTL"]["N"])


@pytest.mark.image_smoke
async def test_deleting_a_session_closes_its_connections(scene: Scene) -> None:
    """All sockets are closed with a code, all rows go; other sessions of the tenant notice nothing."""
    session = await scene.session(scene.tenant())
    neighbour = await scene.guest(session.tenant)
    guests = await scene.guests(session, 5)
    await delete(scene, session)
    await all_closed(guests)
    await scene.counted(session.tenant, 1)
    assert await neighbour.connection_id()


@pytest.mark.image_smoke
async def test_a_session_is_put_refreshed_and_deleted_once(scene: Scene) -> None:
    """Each PUT says until when it lasts, and where to connect; a second DELETE finds none."""
    session = SceneSession(scene.tenant(session_seconds=100), scene.secret(), "")
    put = await scene.api.call("PUT", "/session", query=query_of(session))
    assert put == {
        "Attributes": {"sessionTTL": expires_at(scene.system, session)},
        "webSocketUrl": scene.system.deployment.websocket_url,
    }
    assert abs(put["Attributes"]["sessionTTL"] - time.time() - 100) < MINUTE
    expire(scene.system, session, 10)
    await scene.api.call("PUT", "/session", query=query_of(session))
    assert expires_at(scene.system, session) >= put["Attributes"]["sessionTTL"]
    await delete(scene, session)
    assert await scene.api.call("DELETE", "/session", query=query_of(session), success=400) == "Invalid request"


async def test_extra_leading_slashes_of_a_path_are_ignored_and_a_trailing_one_counts(scene: Scene) -> None:
    """So AWS answers, by the reports that docs/architecture.md names."""
    session = SceneSession(scene.tenant(), scene.secret(), "")
    put = await scene.api.call("PUT", "//session", query=query_of(session))
    assert put["webSocketUrl"] == scene.system.deployment.websocket_url
    assert await scene.api.call("PUT", "/session/", query=query_of(session), success=404) == {"message": "Not Found"}


async def test_a_missing_or_unknown_id_is_an_invalid_request(scene: Scene) -> None:
    """400, and a JSON string."""
    queries: list[dict[str, str]] = [
        {},
        {"tenantId": "bronze"},
        {"sessionId": "s"},
        {"tenantId": "nobody", "sessionId": "s"},
    ]
    for method, query in product(("PUT", "DELETE"), queries):
        answer = await scene.api.call(method, "/session", query=query, success=400)
        assert answer == "Invalid request", (method, query)


async def test_a_connection_is_added_to_its_session_and_renews_it(scene: Scene) -> None:
    """A connection's row, the session's set and its time are written together; the set loses it when it closes."""
    session = await scene.session(scene.tenant())
    expire(scene.system, session, MINUTE)
    guests = await scene.guests(session, 3)
    assert expires_at(scene.system, session) > time.time() + 10 * MINUTE

    def members() -> set[str]:
        return {member.partition("#")[2] for member in row_of(scene.system, session)["connectionIds"]["SS"]}

    expected = {await guest.connection_id() for guest in guests}
    assert members() == {row["connectionId"]["S"] for row in scene.system.connections_of(session.tenant)} == expected
    expected.remove(await guests[0].connection_id())
    guests[0].leave()
    await eventually(members, expected.__eq__)


@pytest.mark.image_smoke
async def test_an_expired_session_is_refused_at_once_and_swept_soon(scene: Scene) -> None:
    """A client learns it before the row goes; then the sockets are closed."""
    session = await scene.session(scene.tenant())
    guests = await scene.guests(session, 2)
    expire(scene.system, session)
    assert (await scene.refusal(tenantId=session.tenant, sessionId=session.session)).status == 403
    await all_closed(guests)
    await scene.counted(session.tenant, 0)
    assert row_of(scene.system, session) == {}


async def test_reconcile_ends_sessions_too(scene: Scene) -> None:
    """Its time is over, and `reconcile` comes before TTL does, which takes hours in AWS."""
    session = await scene.session(scene.tenant())
    guests = await scene.guests(session, 2)
    expire(scene.system, session)
    scene.system.functions.invoke(FunctionName=scene.system.deployment.functions["reconcile"])
    await all_closed(guests)
    await scene.counted(session.tenant, 0)


async def test_messages_in_flight_do_not_restore_a_deleted_session(scene: Scene) -> None:
    """Clients may send until their sockets are closed."""
    session = await scene.session(scene.tenant(session_seconds=10))
    guests = await scene.guests(session, 3)

    async def chatter(guest: Guest) -> None:
        while guest.is_open:
            for action in ("sendmessage", "joinroom", "PooledSQS"):
                guest.send_json({"action": action, "roomKey": "r", "nickName": "n", "content": "c", "message": "m"})
            await asyncio.sleep(0.05)

    talking = [asyncio.create_task(chatter(guest)) for guest in guests]
    await delete(scene, session)
    await all_closed(guests)
    await asyncio.gather(*talking)
    await scene.counted(session.tenant, 0)
    assert row_of(scene.system, session) == {}


async def test_a_recreated_session_keeps_its_new_connections(scene: Scene) -> None:
    """Its id is free at once; only connections of the old one are closed."""
    session = await scene.session(scene.tenant())
    old = await scene.guests(session, 3)
    await delete(scene, session)
    await scene.api.open_session(session.tenant, session.session)
    new = await scene.guests(session, 3)
    await all_closed(old)
    await scene.counted(session.tenant, 3)
    assert all([await guest.connection_id() for guest in new])


@pytest.mark.parametrize("players", [("ann", "bob"), (None, "ann")], ids=["expired", "bound later"])
async def test_a_recreated_session_inherits_no_connections(scene: Scene, players: tuple[str | None, str]) -> None:
    """The old player's sockets are closed, though the session has a new life, and none of their frames gets into it."""
    before, after = players
    session = await scene.session(scene.tenant(), before)
    old = await scene.guests(session, 2)
    if before is not None:
        expire(scene.system, session)
    await scene.api.open_session(session.tenant, session.session, after)
    new = await scene.connect(session)
    old[0].send_json({"action": "PooledSQS", "message": "from the old one"})
    new.send_json({"action": "PooledSQS", "message": "from the new one"})
    await all_closed(old)
    await scene.counted(session.tenant, 1)
    ((own,),) = await scene.received([new])
    assert own["message"]["message"] == "from the new one"
    row = row_of(scene.system, session)
    assert (row["playerId"]["S"], len(row["connectionIds"]["SS"])) == (after, 1)


async def test_a_second_put_leaves_the_connections_alone(scene: Scene) -> None:
    """It only lets the session live on."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    assert await scene.api.open_session(session.tenant, session.session) == session.websocket_url
    assert await guest.connection_id()
    await scene.counted(session.tenant, 1)


async def test_a_client_that_connects_while_its_session_ends_is_closed(scene: Scene) -> None:
    """No client is left, also if its handshake was not over when it was closed."""
    session = await scene.session(scene.tenant())

    async def come() -> Guest | Refusal:
        try:
            return await Guest.connect(session.url)
        except HandshakeRefusedError as error:
            return error.refusal

    comers = [asyncio.create_task(come()) for _ in range(30)]
    await eventually(lambda: scene.system.count(session.tenant).rows, lambda rows: rows is not None and rows >= 5)
    await delete(scene, session)
    answers = await asyncio.gather(*comers)
    assert {answer.status for answer in answers if isinstance(answer, Refusal)} <= {403}
    await all_closed([answer for answer in answers if isinstance(answer, Guest)])
    await scene.counted(session.tenant, 0)


async def test_the_id_of_a_session_is_stored_nowhere(scene: Scene) -> None:
    """Neither in a row of any table nor in a message of a queue; and the stored hash admits no client."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    for action in ("joinroom", "sendmessage", "PooledSQS"):
        guest.send_json({"action": action, "roomKey": "r", "nickName": "Ann", "content": "hello", "message": "hello"})
        await guest.frame()
    report = await scene.report(await scene.broadcast({"tenantId": session.tenant, "sessionId": session.session}))
    assert report["delivered"] == 1
    for table in scene.system.deployment.outputs["tables"].values():
        pages = scene.system.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        rows = [row for page in pages for row in page["Items"]]
        assert not [row for row in rows if session.session in str(row)], table
    with paused(scene.system, "pooled"):
        guest.send_json({"action": "PooledSQS", "message": "hello"})

        def waiting() -> list[Any]:
            answer = scene.system.sqs.receive_message(
                QueueUrl=scene.system.queue("pooled"),
                VisibilityTimeout=0,
                MessageAttributeNames=["All"],
                AttributeNames=["All"],
            )
            return list(answer.get("Messages", []))

        message = str(await eventually(waiting, bool))
    kept = session.row_key(scene.system)["sessionId"]["S"]
    assert kept in message
    assert session.session not in message
    assert (await scene.refusal(tenantId=session.tenant, sessionId=kept)).status == 403
    query = {"tenantId": session.tenant, "sessionId": kept}
    assert await scene.api.call("DELETE", "/session", query=query, success=400) == "Invalid request"
