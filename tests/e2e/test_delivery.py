"""Frames reach their sockets despite faults; malformed messages are put aside, and delay no others."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from loudhailer import codec
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.audience import OfTenant
from loudhailer.broadcast.messages import Announcement, ChunkMessage, OutcomeMessage, SourceMessage
from loudhailer.broadcast.model import Chunk, Source, Summary
from loudhailer.broadcast.payload import Payload, broadcast_frame
from loudhailer.ids import BroadcastId, ChunkId, Partition, TenantId, nth_partition
from tests.e2e.faults import paused
from tests.e2e.invariants import Invariants
from tests.e2e.scene import Scene
from tests.support.broadcasts import chunks_of
from tests.support.waiting import eventually

ACCOUNT = "111111111111"
CHUNK = ChunkId("0.0")
MINUTE = 60
HOUR = 3600


def backdate(scene: Scene, tenant: TenantId) -> None:
    """Let all connections of a tenant be a minute old: a 410 of theirs is believed."""
    for row in scene.system.connections_of(tenant):
        scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)


async def refusals(scene: Scene) -> int:
    """Return how many posts the gateway has answered with 410."""
    return int((await scene.gateway("stats"))["posts"].get("410", 0))


def rows(scene: Scene, tenant: TenantId) -> dict[str, str]:
    """The partition of each of a tenant's connections, by the connection's id."""
    return {row["connectionId"]["S"]: row["partition"]["S"] for row in scene.system.connections_of(tenant)}


def chunks_waiting(scene: Scene, queue: str, broadcast_id: str) -> list[ChunkMessage]:
    """The chunks of a broadcast that wait in a paused shard; they stay there."""
    answer = scene.system.sqs.receive_message(
        QueueUrl=scene.system.queue(queue), MaxNumberOfMessages=10, VisibilityTimeout=0
    )
    chunks = (ChunkMessage.from_wire(message["Body"]) for message in answer.get("Messages", []))
    return [chunk for chunk in chunks if chunk.broadcast_id == broadcast_id]


async def test_every_partition_is_queried_and_their_connections_are_spread_over_the_shards(scene: Scene) -> None:
    """Three partitions have too many rows for one chunk, most of them stale; in all shards together each waits once."""
    async with Invariants(scene) as invariants:
        await invariants.join(6)
        partitions = [nth_partition(invariants.tenant, number) for number in range(3)]
        for partition in partitions:
            scene.system.deployment.partitions.open(partition)
        await invariants.haunt(stale := 600)
        await scene.counted(invariants.tenant, 6 + stale)
        there = rows(scene, invariants.tenant)
        shards = scene.system.deployment.shard_names
        assert len(shards) > 1
        with paused(scene.system, *shards):
            broadcast_id = await invariants.publish()
            await invariants.until(broadcast_id, dispatched=6 + stale, inFlight=6 + stale)
            found = [chunks_waiting(scene, shard, broadcast_id) for shard in shards]
        assert all(found)
        chunks = [chunk for waiting in found for chunk in waiting]
        recipients = [
            (one, partition) for chunk in chunks for partition, ids in chunk.recipients.items() for one in ids
        ]
        assert sorted(recipients) == sorted(there.items())
        assert {partition for _, partition in recipients} == set(partitions)
        await invariants.hold(gone=stale)


async def test_every_recipient_is_in_one_recorded_chunk_before_the_first_post(scene: Scene) -> None:
    """Published means recorded; thirty recipients are fixed in the table and wait in a single message of a shard."""
    guests = await scene.guests(await scene.session(tenant := scene.tenant()), 30)
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = BroadcastId(await scene.broadcast({"tenantId": tenant}))
        assert scene.system.broadcasts.summary(broadcast_id) is not None
        (waits,) = await eventually(lambda: chunks_waiting(scene, scene.system.shard(broadcast_id), broadcast_id))
        (fixed,) = chunks_of(scene.system.broadcasts, 0, broadcast_id)
        assert [sorted(ids) for ids in fixed.recipients.values()] == [sorted(rows(scene, tenant))]
        assert waits.recipients == fixed.recipients
        report = await eventually(
            lambda: scene.api.call("GET", f"/broadcast/{broadcast_id}"), lambda report: report["dispatched"]
        )
        assert (report["dispatched"], report["inFlight"], report["status"]) == (30, 30, "delivering")
    assert {(await guest.frame())["id"] for guest in guests} == {broadcast_id}
    assert (await scene.report(broadcast_id))["delivered"] == 30


async def test_a_partition_of_any_number_is_delivered(scene: Scene) -> None:
    """Shards are chosen by where a chunk comes in its broadcast, not by a map of partition numbers."""
    guest = await scene.guest(tenant := scene.tenant())
    (row,) = scene.system.connections_of(tenant)
    late = nth_partition(tenant, 3000)
    scene.system.deployment.partitions.open(late)
    table = scene.system.table("connections")
    key = {"partition": row["partition"], "connectionId": row["connectionId"]}
    scene.system.dynamodb.put_item(TableName=table, Item=row | {"partition": {"S": late}})
    scene.system.dynamodb.delete_item(TableName=table, Key=key)
    broadcast_id = await scene.broadcast({"tenantId": tenant})
    assert (await guest.frame())["id"] == broadcast_id
    assert (await scene.report(broadcast_id))["delivered"] == 1
    scene.system.dynamodb.delete_item(TableName=table, Key=key | {"partition": {"S": late}})


async def test_a_socket_still_in_its_handshake_receives_the_frame(scene: Scene) -> None:
    """It has a row before it can be posted to: the 410 until then is not believed, and the frame comes later."""
    await scene.received([await scene.guest(scene.tenant())])  # no function starts cold while the handshake lasts
    session = await scene.session(tenant := scene.tenant())
    await scene.faults(connect_delay_ms=5_000)
    connecting = asyncio.create_task(scene.connect(session))
    (row,) = await eventually(lambda: scene.system.connections_of(tenant))
    before = await refusals(scene)
    broadcast_id = await scene.broadcast({"tenantId": tenant})
    await eventually(lambda: refusals(scene), lambda now: now > before)
    assert not connecting.done()
    guest = await connecting
    assert (await guest.frame())["id"] == broadcast_id
    report = await scene.report(broadcast_id)
    assert (report["dispatched"], report["delivered"], report["gone"]) == (1, 1, 0)
    assert scene.system.connections_of(tenant) == [row]


async def test_a_410_deletes_only_the_row_of_its_connection_and_never_a_young_one(scene: Scene) -> None:
    """The one of two gone sockets that may still be connecting keeps its row."""
    session = await scene.session(tenant := scene.tenant())
    old, young, present = await scene.guests(session, 3)
    ids = [*await scene.lose(old, young), await present.connection_id()]
    rows = {row["connectionId"]["S"]: row for row in scene.system.connections_of(tenant)}
    scene.system.change_connection(rows[ids[0]], connectedAt=int(time.time()) - MINUTE)
    scene.system.change_connection(rows[ids[1]], connectedAt=int(time.time()) + HOUR)  # young for the whole test
    await scene.broadcast({"tenantId": tenant})
    await present.frame()
    remaining = await eventually(
        lambda: {row["connectionId"]["S"] for row in scene.system.connections_of(tenant)}, lambda found: len(found) < 3
    )
    assert remaining == set(ids[1:])
    scene.system.change_connection(rows[ids[1]], expiresAt=int(time.time()) - MINUTE)


async def test_sockets_that_close_during_a_broadcast_do_not_affect_others(scene: Scene) -> None:
    """Clients that stay get the frame, and clients that left are reported as gone."""
    session = await scene.session(tenant := scene.tenant())
    guests = await scene.guests(session, 30)
    await scene.counted(tenant, 30)
    backdate(scene, tenant)
    await scene.faults(latency_ms=1_000)
    broadcast_id = await scene.broadcast({"tenantId": tenant})
    await eventually(lambda: scene.system.broadcasts.chunk(BroadcastId(broadcast_id), CHUNK))
    for number, guest in enumerate(guests[:10]):
        await (guest.reset() if number % 2 else guest.__aexit__())
    frames = [await guest.frame() for guest in guests[10:]]
    assert {frame["id"] for frame in frames} == {broadcast_id}
    report = await scene.report(broadcast_id)
    assert report["dispatched"] == report["delivered"] + report["gone"] == 30
    assert report["delivered"] >= 20
    await scene.counted(tenant, 20)


@dataclass(frozen=True)
class Play:
    """A broadcast to one guest, which a test leads through the pipeline by hand, from any step on."""

    scene: Scene
    summary: Summary
    partition: Partition
    chunk: Chunk
    frame: str

    @classmethod
    async def to(cls, scene: Scene, tenant: TenantId) -> "Play":
        """A broadcast of which only the summary is recorded."""
        ((row),) = scene.system.connections_of(tenant)
        now = time.time()
        broadcast_id = BroadcastId(uuid.uuid4().hex)
        partition = Partition(row["partition"]["S"])
        summary = Summary(
            broadcast_id=broadcast_id,
            audience=OfTenant(tenant),
            content_hash="",
            published_at=int(now * 1000),
            announced=True,
        )
        recipients = {partition: [row["connectionId"]["S"]]}
        scene.system.broadcasts.record(summary)
        chunk = Chunk(chunk_id=CHUNK, recipients=recipients, young=0, young_until=int(now))
        return cls(
            scene,
            summary,
            partition,
            chunk,
            broadcast_frame(broadcast_id, summary.published_at, codec.json_text("by hand")),
        )

    @property
    def broadcast_id(self) -> BroadcastId:
        """Its id."""
        return self.summary.broadcast_id

    def announcement(self) -> str:
        """Return what `publish` sends."""
        return Announcement(audience=self.summary.audience, **self._header()).to_wire()

    def source_message(self) -> str:
        """Return what `swarm` sends, once the source is fixed."""
        store = self.scene.system.broadcasts
        source = Source(number=0, scope=(self.partition,), expected=1)
        store.fix_sources(self.broadcast_id, [source])
        store.complete_sources(self.broadcast_id, 1, 1, self.summary.published_at)
        return SourceMessage(source=0, scope=source.scope, **self._header()).to_wire()

    def chunk_message(self) -> str:
        """Return what `query` sends, once the recipients are fixed."""
        self.source_message()
        store = self.scene.system.broadcasts
        store.fix_chunk(self.broadcast_id, self.chunk)
        store.complete_source(self.broadcast_id, 0, chunks=1, dispatched=1, now=self.summary.published_at)
        return ChunkMessage(
            chunk_id=CHUNK,
            endpoint=str(self.scene.system.deployment.outputs["callback_endpoint"]),
            recipients=self.chunk.recipients,
            young=0,
            young_until=self.chunk.young_until,
            remaining=bitmaps.full(1),
            attempt=1,
            **self._header(),
        ).to_wire()

    def outcome_message(self) -> str:
        """Return what `post_message` sends, once it has posted."""
        self.chunk_message()
        return OutcomeMessage(
            broadcast_id=self.broadcast_id, chunk_id=CHUNK, size=1, account=ACCOUNT, delivered=1, gone=0, failed=0
        ).to_wire()

    def _header(self) -> dict[str, Any]:
        published_at = self.summary.published_at
        return {
            "broadcast_id": self.broadcast_id,
            "payload": Payload.of(self.frame),
            "published_at": published_at,
            "expires_at": published_at // 1000 + MINUTE * 5,
        }


STEPS: dict[str, Callable[[Play], str]] = {
    "broadcast": Play.announcement,
    "partition": Play.source_message,
    "shard-0": Play.chunk_message,
    "outcome": Play.outcome_message,
}


@pytest.mark.parametrize("queue", STEPS)
async def test_only_the_malformed_message_of_a_batch_is_moved_to_the_dead_letter_queue(
    scene: Scene, queue: str
) -> None:
    """It is in the dead-letter queue, with the reason; a good message of the same batch has its effect."""
    await scene.guest(tenant := scene.tenant())
    play = await Play.to(scene, tenant)
    good = STEPS[queue](play)
    document = json.loads(good)
    mark = f"{uuid.uuid4()}"
    bad = {
        "not JSON": f"{mark} is not JSON",
        "no object": json.dumps([mark]),
        "another version": json.dumps(document | {"v": 2, "mark": mark}),
        "no version": json.dumps({name: value for name, value in document.items() if name != "v"} | {"mark": mark}),
        "malformed": json.dumps({"v": 1, "broadcastId": play.broadcast_id, "mark": mark}),
        "illegal id": json.dumps(document | {"broadcastId": "a#b", "mark": mark}),
    }
    bodies = [*bad.values(), good]
    scene.system.sqs.send_message_batch(
        QueueUrl=scene.system.queue(queue),
        Entries=[{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies)],
    )
    assert (await scene.report(play.broadcast_id))["delivered"] == 1
    for body in bad.values():
        attributes = await scene.dead_letter(body)
        assert attributes["reason"]
        assert attributes["source"].endswith(scene.system.queue(queue).rpartition("/")[2])


@pytest.mark.image_smoke
async def test_a_chunk_that_every_worker_failed_on_is_reported_as_failed(scene: Scene) -> None:
    """A message that SQS delivered too often ends here: the report is finished, and the message kept with its ids."""
    await scene.guest(tenant := scene.tenant())
    play = await Play.to(scene, tenant)
    chunk = play.chunk_message()
    scene.system.sqs.send_message(QueueUrl=scene.system.queue("undelivered"), MessageBody=chunk)
    report = await scene.report(play.broadcast_id)
    assert (report["dispatched"], report["failed"], report["byAccount"]) == (1, 1, {})
    assert (await scene.dead_letter(chunk))["reason"]


@pytest.mark.parametrize("queue", STEPS)
async def test_a_redelivered_message_does_not_change_the_report(scene: Scene, queue: str) -> None:
    """Every queue may deliver a message again, even long after it was handled."""
    guest = await scene.guest(tenant := scene.tenant())
    play = await Play.to(scene, tenant)
    message = STEPS[queue](play)
    url = scene.system.queue(queue)
    scene.system.sqs.send_message(QueueUrl=url, MessageBody=message)
    report = await scene.report(play.broadcast_id)
    scene.system.sqs.send_message(QueueUrl=url, MessageBody=message)
    await eventually(lambda: scene.system.waiting(*STEPS), lambda waiting: waiting == 0)
    assert await scene.report(play.broadcast_id) == report
    tallies = scene.system.broadcasts.tallies(play.broadcast_id)
    assert [(tally.delivered, tally.by_account) for tally in tallies] == [(1, {ACCOUNT: 1})]
    (frames,) = await scene.received([guest])
    # Only a chunk that comes twice is posted twice; the client knows a duplicate by its id.
    assert [frame["id"] for frame in frames] == [play.broadcast_id] * {"outcome": 0, "shard-0": 2}.get(queue, 1)
