"""Messages of the silo and the pool, from one socket through a FIFO queue to its session's sockets."""

import asyncio
import json
import time
import uuid
from dataclasses import dataclass
from typing import Any

import pytest

from loudhailer.ids import TenantId
from tests.e2e.faults import Workers, paused, visible_again_after
from tests.e2e.scene import Guest, Scene, SceneSession
from tests.support.waiting import PATIENCE_SECONDS, eventually

GOLD = TenantId("gold")
"""The tenant that has a silo in the local environment."""

SESSIONS = 10
UNANSWERED = 15
"""Messages of its own that a client of the load lets be on their way: the stage throttles faster clients."""

FAULTS = {"error_rate": 0.01, "reset_rate": 0.01, "lost_response_rate": 0.01, "throttle_rate": 0.02}


@dataclass(frozen=True)
class Way:
    """A route, the queue behind it, and the function that reads that."""

    action: str
    queue: str
    function: str

    def tenant(self, scene: Scene) -> TenantId:
        """A tenant that may send on it."""
        return scene.tenant() if self is POOL else GOLD

    def message(self, message: Any) -> dict[str, Any]:
        """Return the frame that a client sends."""
        return {"action": self.action, "message": message}

    def envelope(self, scene: Scene, session: SceneSession, recipient: str, body: Any, source: str) -> dict[str, Any]:
        """Return the answers of all connections of the session."""
        return {
            "message": body,
            "tenantId": session.tenant,
            "sessionId": session.row_key(scene.system)["sessionId"]["S"],
            "connectionId": recipient,
            "queue": scene.system.queue(self.queue).rpartition("/")[2],
            "srcConnectionId": source,
        }


SILO, POOL = Way("SiloSQS", "silo-gold", "echo-gold"), Way("PooledSQS", "pooled", "echo")
EITHER = pytest.mark.parametrize("way", [SILO, POOL], ids=["silo", "pool"])


def expire(scene: Scene, session: SceneSession, seconds: int) -> None:
    """Let a session end so many seconds from now."""
    scene.system.dynamodb.update_item(
        TableName=scene.system.table("sessions"),
        Key=session.row_key(scene.system),
        UpdateExpression="SET sessionTTL = :end",
        ConditionExpression="attribute_exists(sessionId)",
        ExpressionAttributeValues={":end": {"N": str(int(time.time()) + seconds)}},
    )


def exists(scene: Scene, session: SceneSession) -> bool:
    """Tell whether the session's row is there."""
    key = session.row_key(scene.system)
    return "Item" in scene.system.dynamodb.get_item(TableName=scene.system.table("sessions"), Key=key)


@pytest.mark.image_smoke
@EITHER
async def test_a_message_reaches_only_its_session(scene: Scene, way: Way) -> None:
    """Other clients get it unchanged, byte for byte, and then, as the sender does, in an envelope."""
    tenant = way.tenant(scene)
    session = await scene.session(tenant)
    ann, bob = await scene.guests(session, 2)
    stranger, foreigner = await scene.guest(tenant), await scene.guest(scene.tenant())
    text = "é & + %26 \n \"\\'</script> 😀 &MessageGroupId=forged&Action=DeleteQueue"
    raw = json.dumps(way.message({text: text, "n": [1, 2.50]}), indent=1, ensure_ascii=False)
    ids = {guest: await guest.connection_id() for guest in (ann, bob)}
    ann.send(raw)
    assert await bob.receive(PATIENCE_SECONDS) == raw.encode()
    for guest in (ann, bob):
        assert await guest.frame() == way.envelope(scene, session, ids[guest], json.loads(raw), ids[ann])
    assert await scene.received([ann, bob, stranger, foreigner]) == [[], [], [], []]


async def test_only_the_sender_is_notified_over_the_limit(scene: Scene) -> None:
    """At most two of five messages are echoed in each minute, and at most two minutes are begun meanwhile."""
    session = await scene.session(scene.tenant(messages_per_minute=8))  # a session gets a quarter
    ann, bob = await scene.guests(session, 2)
    connection = await ann.connection_id()
    for number in range(5):
        ann.send_json(POOL.message(number))
    frames = [await ann.frame() for _ in range(5)]
    throttled = [frame for frame in frames if "queue" not in frame]
    assert throttled
    assert [frame | {"requestId": ""} for frame in throttled] == [
        {"message": "Too Many Requests", "connectionId": connection, "requestId": ""}
    ] * len(throttled)
    assert len({frame["requestId"] for frame in throttled}) == len(throttled)
    heard, rest = await scene.received([bob, ann])
    assert len(heard) == 2 * (5 - len(throttled))
    assert rest == []


async def test_a_flooding_session_is_closed_and_others_of_its_tenant_are_not(scene: Scene) -> None:
    """All its connections are, including silent ones; of so many messages most are in one minute."""
    tenant = scene.tenant(messages_per_minute=1)
    flooding = await scene.session(tenant)
    ann, bob = await scene.guests(flooding, 2)
    carl = await scene.guest(tenant)
    for number in range(25):
        ann.send_json(POOL.message(number))
    await ann.closed(PATIENCE_SECONDS)
    await bob.closed(PATIENCE_SECONDS)
    assert not exists(scene, flooding)
    carl.send_json(POOL.message("Am I still here?"))
    assert (await carl.frame())["message"] in ("Too Many Requests", POOL.message("Am I still here?"))


@pytest.mark.parametrize(("way", "ends"), [(SILO, "DELETE"), (POOL, "TTL")], ids=["silo", "pool"])
async def test_a_message_in_flight_does_not_restore_a_deleted_session(scene: Scene, way: Way, ends: str) -> None:
    """It is read when its session is gone, whatever ended it; the sockets are closed, and the row stays away."""
    session = await scene.session(way.tenant(scene))
    ann, bob = await scene.guests(session, 2)
    with paused(scene.system, way.queue):
        for number in range(12):
            ann.send_json(way.message(number))
        await eventually(lambda: scene.system.waiting(way.queue) >= 12)
        if ends == "DELETE":
            await scene.api.call("DELETE", "/session", {"tenantId": session.tenant, "sessionId": session.session})
        else:
            expire(scene, session, -1)
        await ann.closed(PATIENCE_SECONDS)
        await bob.closed(PATIENCE_SECONDS)
    await eventually(lambda: scene.system.waiting(way.queue) == 0)
    assert not exists(scene, session)


async def queued(scene: Scene, queue: str) -> dict[str, Any]:
    """The only message of a paused queue, taken out."""

    def take() -> Any:
        return scene.system.sqs.receive_message(
            QueueUrl=scene.system.queue(queue), MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages")

    (message,) = await eventually(take)
    scene.system.sqs.delete_message(QueueUrl=scene.system.queue(queue), ReceiptHandle=message["ReceiptHandle"])
    return dict(message)


@EITHER
async def test_a_message_is_sent_directly_to_its_queue(scene: Scene, way: Way) -> None:
    """Body as sent, grouped by session, deduplicated by request, with the settings as attributes; one consumer each."""
    session = await scene.session(tenant := way.tenant(scene))
    guest = await scene.connect(session)
    connection_id = await guest.connection_id()
    text = json.dumps(way.message("hello & +1"))
    with paused(scene.system, way.queue):
        guest.send(text)
        message = await queued(scene, way.queue)
    assert message["Body"] == text
    sent = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
    request_id = sent.pop("requestId")
    (listed,) = [item for item in (await scene.api.call("GET", "/tenant"))["Items"] if item["tenantId"] == tenant]
    left_out = {"silo", "postsPerMinute", "tenantSessions", "channelsPerConnection", "channels"}
    settings = {name: str(value) for name, value in listed.items() if name not in left_out}
    assert sent == settings | {"sessionId": session.kept_as(scene.system), "connectionId": connection_id}
    assert message["Attributes"]["MessageGroupId"] == f"{tenant}:{session.kept_as(scene.system)}"
    assert message["Attributes"]["MessageDeduplicationId"] == request_id
    name = scene.system.queue(way.queue).rpartition("/")[2]
    mappings = scene.system.functions.list_event_source_mappings()["EventSourceMappings"]
    (reader,) = [each for each in mappings if each["EventSourceArn"].endswith(f":{name}")]
    assert f":{scene.system.deployment.functions[way.function]}" in reader["FunctionArn"]


async def test_a_message_renews_its_session(scene: Scene) -> None:
    """Its time starts again once a tenth of it has passed."""
    session = await scene.session(scene.tenant())
    guest = await scene.connect(session)
    expire(scene, session, 60)
    guest.send_json(POOL.message("still here"))
    await guest.frame()
    table, key = scene.system.table("sessions"), session.row_key(scene.system)
    row = scene.system.dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    assert int(row["sessionTTL"]["N"]) > time.time() + 600


async def test_a_failed_record_does_not_fail_its_batch(scene: Scene) -> None:
    """A malformed message is put aside with the reason; the messages of other sessions in the batch are answered."""
    guest = await scene.guest(scene.tenant())
    mark = uuid.uuid4().hex
    with paused(scene.system, "pooled"):
        scene.system.sqs.send_message(
            QueueUrl=scene.system.queue("pooled"),
            MessageBody=mark,
            MessageGroupId=mark,
            MessageDeduplicationId=mark,
        )
        guest.send_json(POOL.message("hello"))
        await eventually(lambda: scene.system.waiting("pooled") == 2)
    assert (await guest.frame())["message"] == POOL.message("hello")
    assert (await scene.dead_letter(mark))["reason"].startswith("tenantId: ")
    await eventually(lambda: scene.system.waiting("pooled") == 0)


async def test_a_closed_connection_does_not_block_messages_to_others(scene: Scene) -> None:
    """One vanished without a word, and all others get the message."""
    session = await scene.session(scene.tenant())
    sender, gone, other = await scene.guests(session, 3)
    await scene.lose(gone)
    body = POOL.message("hello")
    sender.send_json(body)
    assert (await sender.frame())["message"] == body
    assert await other.frame() == body
    assert (await other.frame())["message"] == body


@dataclass
class Talker:
    """A client that says numbers, some at a time, and hears its own."""

    guest: Guest
    way: Way
    messages: int
    heard: int = 0

    async def talk(self) -> None:
        """Say the numbers until all are heard: one may be delivered again, but none comes before its turn."""
        sent = 0
        while self.heard < self.messages:
            while sent < min(self.messages, self.heard + UNANSWERED):
                sent += 1
                self.guest.send_json(self.way.message(sent))
            frame = await self.guest.frame()
            assert "queue" in frame, f"after {self.heard} came {frame}"
            number = frame["message"]["message"]
            assert number <= self.heard + 1, f"{number} came after {self.heard}"
            self.heard = max(self.heard, number)


@pytest.mark.parametrize("pooled", [60, pytest.param(1_000, marks=pytest.mark.nightly)])
async def test_every_session_receives_its_messages_in_order_under_faults(scene: Scene, pooled: int) -> None:
    """Numbered messages from each of ten sessions at once, and a tenth as many from each of ten in the silo.

    Posts fail, are throttled, and are lost after their delivery; on the way all workers are killed. A message may be
    heard again then, with those behind it; the first time that each is heard, it is in order, and none is missing.
    """
    talkers: list[Talker] = []
    for way, messages in ((POOL, pooled), (SILO, pooled // 10)):
        tenant = way.tenant(scene)
        talkers += [Talker(await scene.guest(tenant), way, messages) for _ in range(SESSIONS)]
    await scene.faults(**FAULTS)
    with visible_again_after(scene.system, 10, POOL.queue, SILO.queue):
        async with asyncio.TaskGroup() as group:
            for talker in talkers:
                group.create_task(talker.talk())
            await eventually(lambda: sum(talker.heard for talker in talkers) >= SESSIONS * pooled // 25)
            for way in (POOL, SILO):
                assert Workers(scene.system, way.function).kill() > 0
    assert [talker.heard for talker in talkers] == [talker.messages for talker in talkers]
