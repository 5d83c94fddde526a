"""Seed D, tenants and their limits, silo and pool, row by row: what that system does, and its holes that are closed.

`docs/conformance.md` names the row behind each test. Requests and frames are those of that system's clients.
"""

import asyncio
import json
import time
import uuid
from typing import Any

import pytest

from loudhailer.ids import TenantId
from tests.e2e.faults import paused
from tests.e2e.scene import Guest, Scene, Session
from tests.e2e.system import Item
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tools.client.http import ApiError
from tools.client.socket import HandshakeRefusedError, Refusal

GOLD = TenantId("gold")
"""The sample tenant that has a silo."""

SAMPLES = {
    "bronze": (60, 5, 2, 10, 200, 60, False),
    "silver": (120, 10, 5, 100, 300, 600, False),
    "gold": (180, 30, 10, 1000, 300, 6000, True),
}
SETTINGS = (
    *("tenantPerMinute", "sessionPerMinute", "connectionsPerSession", "tenantConnections"),
    *("sessionTTL", "messagesPerMinute"),
)


def ids(session: Session) -> dict[str, str]:
    """A session as the query of a request names it."""
    return {"tenantId": session.tenant, "sessionId": session.session}


def row_of(scene: Scene, session: Session) -> Item | None:
    """A session's row, if there is one."""
    return scene.system.dynamodb.get_item(
        TableName=scene.system.table("sessions"),
        Key={name: {"S": value} for name, value in ids(session).items()},
        ConsistentRead=True,
    ).get("Item")


def expires_at(scene: Scene, session: Session) -> int:
    """When a session ends, by its row."""
    row = row_of(scene, session)
    assert row is not None
    return int(row["sessionTTL"]["N"])


def expire(scene: Scene, session: Session, expires_at: int) -> None:
    """Set when a session ends."""
    row = row_of(scene, session)
    assert row is not None
    scene.system.dynamodb.put_item(
        TableName=scene.system.table("sessions"), Item=row | {"sessionTTL": {"N": str(expires_at)}}
    )


async def all_closed(*guests: Guest) -> None:
    """Wait until the service has closed all of them."""
    await asyncio.gather(*(guest.closed(PATIENCE_SECONDS) for guest in guests))


async def refused(session: Session) -> Refusal:
    """How the next client is refused; one who comes in a new minute may be let in, and leaves."""
    while True:
        try:
            guest = await Guest.connect(session.url)
        except HandshakeRefusedError as error:
            return error.refusal
        await guest.reset()


def reply(session: Session, connection_id: str, body: Any, queue: str) -> dict[str, Any]:
    """The frame that every connection of a session gets for a message."""
    return {"message": body, **ids(session), "connectionId": connection_id, "queue": queue}


def queue_name(scene: Scene, name: str) -> str:
    """A queue's name as frames have it."""
    return scene.system.queue(name).rpartition("/")[2]


async def queued(scene: Scene, queue: str) -> dict[str, Any]:
    """The only message of a paused queue, taken out."""

    def take() -> Any:
        return scene.system.sqs.receive_message(
            QueueUrl=scene.system.queue(queue), MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages")

    (message,) = await eventually(take)
    scene.system.sqs.delete_message(QueueUrl=scene.system.queue(queue), ReceiptHandle=message["ReceiptHandle"])
    return dict(message)


async def test_a_session_is_put_refreshed_and_deleted(scene: Scene) -> None:
    """With that system's answers."""
    session = Session(scene.tenant(session_seconds=100), scene.secret(), "")
    answer = await scene.api.call("PUT", "/session", query=ids(session))
    assert answer["Attributes"] == {"sessionTTL": expires_at(scene, session)}
    assert abs(answer["Attributes"]["sessionTTL"] - time.time() - 100) < 60
    expire(scene, session, int(time.time()) + 10)
    refreshed = await scene.api.call("PUT", "/session", query=ids(session))
    assert refreshed["Attributes"]["sessionTTL"] >= answer["Attributes"]["sessionTTL"]
    assert await scene.api.call("DELETE", "/session", query=ids(session)) == {}


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("query", [{}, {"tenantId": "bronze"}, {"sessionId": "s"}, {"tenantId": "x", "sessionId": "s"}])
async def test_a_missing_or_unknown_id_is_an_invalid_request(scene: Scene, method: str, query: dict[str, str]) -> None:
    """400, and a JSON string."""
    assert await scene.api.call(method, "/session", query=query, success=400) == "Invalid request"


async def test_the_sample_tenants_are_listed_with_their_limits(scene: Scene) -> None:
    """For the demonstration: the three of that system, and the last of them has a silo."""
    items = {item["tenantId"]: item for item in (await scene.api.call("GET", "/tenant"))["Items"]}
    listed = {name: (*(items[name][setting] for setting in SETTINGS), items[name]["silo"]) for name in SAMPLES}
    assert listed == SAMPLES


async def test_both_ids_are_identity_sources(scene: Scene) -> None:
    """Without either the handshake is unauthorized."""
    session = await scene.session(scene.tenant())
    for missing in ids(session):
        query = {name: value for name, value in ids(session).items() if name != missing}
        assert (await scene.refusal(**query)).status == 401


async def test_an_unknown_or_expired_session_is_forbidden(scene: Scene) -> None:
    """At once, though an expired one's row may still stand for days."""
    session = await scene.session(tenant := scene.tenant())
    assert (await scene.refusal(tenantId=tenant, sessionId=scene.secret())).status == 403
    expire(scene, session, int(time.time()) - 1)
    assert (await scene.refusal(**ids(session))).status == 403


async def test_the_authorizers_context_has_the_tenants_settings(scene: Scene) -> None:
    """Those of that system; the partition and the player are among what is there besides."""
    session = await scene.session(scene.tenant(), "ann")
    event = {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:111111111111:api/live/$connect",
        "queryStringParameters": ids(session),
    }
    answer = scene.system.functions.invoke(
        FunctionName=scene.system.deployment.functions["authorizer"], Payload=json.dumps(event).encode()
    )
    context = json.load(answer["Payload"])["context"]
    assert context.keys() >= {"tenantId", "sessionId", *SETTINGS, "partition", "playerId"}
    assert (context["tenantId"], context["sessionId"], context["playerId"]) == (session.tenant, session.session, "ann")


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        (
            ("tenant_connections", "connections_per_session", "tenant_per_minute", "session_per_minute"),
            "tenantConnections",
        ),
        (("connections_per_session", "tenant_per_minute", "session_per_minute"), "connectionsPerSession"),
        (("tenant_per_minute", "session_per_minute"), "tenantPerMinute"),
        (("session_per_minute",), "sessionPerMinute"),
    ],
)
async def test_the_first_limit_in_order_refuses(scene: Scene, limits: tuple[str, ...], named: str) -> None:
    """Tenant's total, session's connections, tenant's minute, session's minute: each 429 on its own."""
    session = await scene.session(scene.tenant(**dict.fromkeys(limits, 1)))
    await scene.connect(session)
    refusal = await refused(session)
    assert refusal.status == 429
    assert named in refusal.reason


async def test_a_connect_is_recorded_and_renews_the_session(scene: Scene) -> None:
    """The connection's row, the session's set and its time are written together."""
    session = await scene.session(scene.tenant())
    expire(scene, session, int(time.time()) + 60)
    guest = await scene.connect(session)
    row = row_of(scene, session)
    assert row is not None
    (member,) = row["connectionIds"]["SS"]
    assert member.partition("#")[2] == await guest.connection_id()
    assert [each["connectionId"]["S"] for each in scene.system.connections_of(session.tenant)] == [
        member.partition("#")[2]
    ]
    assert expires_at(scene, session) > time.time() + 600


@pytest.mark.parametrize(
    ("action", "queue", "consumer"), [("SiloSQS", "silo-gold", "echo-gold"), ("PooledSQS", "pooled", "echo")]
)
async def test_a_message_goes_straight_to_its_queue(scene: Scene, action: str, queue: str, consumer: str) -> None:
    """Body as sent, grouped by session, deduplicated by request, with the settings as attributes; one consumer each."""
    session = await scene.session(GOLD)
    guest = await scene.connect(session)
    connection_id = await guest.connection_id()
    text = json.dumps({"action": action, "message": "hello & +1"})
    with paused(scene.system, queue):
        guest.send(text)
        message = await queued(scene, queue)
    assert message["Body"] == text
    sent = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    assert sent.keys() == {"tenantId", "sessionId", "connectionId", "requestId", *SETTINGS}
    assert (sent["tenantId"], sent["sessionId"], sent["connectionId"]) == (GOLD, session.session, connection_id)
    told = [sent[name] for name in SETTINGS]
    assert told == [str(value) for value in SAMPLES[GOLD][:-1]]
    assert message["Attributes"]["MessageGroupId"] == f"{GOLD}:{session.session}"
    assert message["Attributes"]["MessageDeduplicationId"] == sent["requestId"]
    mappings = scene.system.functions.list_event_source_mappings()["EventSourceMappings"]
    (reader,) = [each for each in mappings if each["EventSourceArn"].endswith(f":{queue_name(scene, queue)}")]
    assert f":{scene.system.deployment.functions[consumer]}" in reader["FunctionArn"]


@pytest.mark.parametrize(("action", "queue"), [("SiloSQS", "silo-gold"), ("PooledSQS", "pooled")])
async def test_a_message_reaches_all_of_its_session_and_nobody_else(scene: Scene, action: str, queue: str) -> None:
    """The raw body goes to the others, the parsed one to all of them; another session hears nothing."""
    session = await scene.session(GOLD)
    sender, other = await scene.guests(session, 2)
    stranger = await scene.guest(GOLD)
    body = {"action": action, "message": "hello"}
    own, others = await sender.connection_id(), await other.connection_id()
    name = queue_name(scene, queue)
    sender.send_json(body)
    assert await sender.frame() == reply(session, own, body, name)
    assert [await other.frame(), await other.frame()] == [body, reply(session, others, body, name)]
    assert await scene.received([stranger]) == [[]]


async def test_over_the_limit_the_sender_alone_is_told(scene: Scene) -> None:
    """Too Many Requests, with the ids of the connection and of the request; the other connection gets nothing."""
    session = await scene.session(scene.tenant(messages_per_minute=2))
    sender, other = await scene.guests(session, 2)
    connection_id = await sender.connection_id()
    answers = []
    for number in range(6):  # whichever minute it is, three of them are in the same one
        sender.send_json({"action": "PooledSQS", "message": number})
        answers.append(await sender.frame())
    throttled = [answer for answer in answers if "queue" not in answer]
    assert throttled
    for answer in throttled:
        assert answer == {
            "message": "Too Many Requests",
            "connectionId": connection_id,
            "requestId": answer["requestId"],
        }
    (frames,) = await scene.received([other])
    assert len(frames) == 2 * (len(answers) - len(throttled))


async def test_a_message_renews_the_session(scene: Scene) -> None:
    """Its time begins anew once a tenth of it has passed."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    expire(scene, session, int(time.time()) + 60)
    guest.send_json({"action": "PooledSQS", "message": "still here"})
    await guest.frame()
    assert expires_at(scene, session) > time.time() + 600


@pytest.mark.parametrize("how", ["DELETE", "TTL"])
async def test_the_end_of_a_session_closes_its_connections(scene: Scene, how: str) -> None:
    """Whatever ended it; a message that was on its way does not bring it back."""
    session = await scene.session(scene.tenant())
    guests = await scene.guests(session, 2)
    with paused(scene.system, "pooled"):
        guests[0].send_json({"action": "PooledSQS", "message": "too late"})
        await eventually(lambda: scene.system.waiting("pooled"))
        if how == "DELETE":
            await scene.api.call("DELETE", "/session", query=ids(session))
        else:
            expire(scene, session, int(time.time()) - 1)
        await all_closed(*guests)
    await eventually(lambda: scene.system.waiting("pooled") == 0)
    await scene.counted(session.tenant, 0)
    assert row_of(scene, session) is None


async def test_a_record_that_fails_does_not_take_its_batch_with_it(scene: Scene) -> None:
    """What makes no sense is put aside, and the messages of other sessions in the same batch are answered."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    mark = uuid.uuid4().hex
    with paused(scene.system, "pooled"):
        scene.system.sqs.send_message(
            QueueUrl=scene.system.queue("pooled"),
            MessageBody=mark,
            MessageGroupId=mark,
            MessageDeduplicationId=mark,
        )
        guest.send_json({"action": "PooledSQS", "message": "hello"})
        await eventually(lambda: scene.system.waiting("pooled") == 2)
    assert (await guest.frame())["message"]["message"] == "hello"
    await eventually(lambda: scene.system.waiting("pooled") == 0)


async def test_a_closed_connection_does_not_keep_messages_from_the_others(scene: Scene) -> None:
    """One vanished without a word, and all others get the message."""
    session = await scene.session(scene.tenant())
    sender, gone, other = await scene.guests(session, 3)
    await scene.lose(gone)
    body = {"action": "PooledSQS", "message": "hello"}
    sender.send_json(body)
    assert (await sender.frame())["message"] == body
    assert await other.frame() == body
    assert (await other.frame())["message"] == body


async def test_a_limit_is_not_passed_by_coming_at_once_and_a_lost_disconnect_leaks_nothing(scene: Scene) -> None:
    """Of ten at once exactly three get in; when they vanish and their rows expire, the tenant's total is 0 again."""
    session = await scene.session(scene.tenant(tenant_connections=3, connections_per_session=3))
    answers = await asyncio.gather(*(Guest.connect(session.url) for _ in range(10)), return_exceptions=True)
    guests = [answer for answer in answers if isinstance(answer, Guest)]
    assert len(guests) == 3
    await scene.counted(session.tenant, 3)
    await scene.lose(*guests)
    for row in scene.system.connections_of(session.tenant):
        scene.system.change_connection(row, expiresAt=int(time.time()) - 60)
    await scene.counted(session.tenant, 0)


@pytest.mark.parametrize(
    "text", ["a & b + c = d", "&MessageGroupId=forged&Action=DeleteQueue", "%26%2B", '"\\\n', "😀"]
)
async def test_a_body_arrives_as_it_was_sent(scene: Scene, text: str) -> None:
    """No character of it is lost in the call to SQS, and none adds a parameter."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    body = {"action": "PooledSQS", "message": text, f"&{text}": text}
    guest.send_json(body)
    frame = await guest.frame()
    assert (frame["message"], frame["tenantId"], frame["sessionId"]) == (body, session.tenant, session.session)


async def test_refusals_have_http_status_codes(scene: Scene) -> None:
    """401, 403 and 429; WebSocket's 1008 and 1011 are none."""
    session = await scene.session(scene.tenant(connections_per_session=1))
    await scene.connect(session)
    refusals = [
        await scene.refusal(),
        await scene.refusal(**ids(session), playerId="bob"),
        await scene.refusal(**ids(session)),
    ]
    assert [refusal.status for refusal in refusals] == [401, 403, 429]


async def test_a_second_delete_is_an_invalid_request(scene: Scene) -> None:
    """The session is unknown by then."""
    session = await scene.session(scene.tenant())
    await scene.api.call("DELETE", "/session", query=ids(session))
    with pytest.raises(ApiError) as refused:
        await scene.api.call("DELETE", "/session", query=ids(session))
    assert (refused.value.status, refused.value.body) == (400, "Invalid request")
