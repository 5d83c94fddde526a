"""Seed A, broadcast at scale, row by row: what that system does, and the holes of it that are closed here.

`docs/conformance.md` names the row behind each test.
"""

import json
import time
import uuid
from typing import Any

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.ids import BroadcastId, Partition, TenantId, nth_partition
from tests.e2e.faults import paused
from tests.e2e.invariants import Invariants
from tests.e2e.scene import Guest, Scene
from tests.e2e.system import Item
from tests.support.broadcasts import chunks_of
from tests.support.waiting import eventually

MINUTE = 60


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


def count_again(scene: Scene, tenant: TenantId, event: str, images: dict[str, Item]) -> None:
    """Hand `accounting` the last record once more that it has counted of a tenant's only partition."""
    ((partition,), (row,)) = scene.system.deployment.partitions.of_tenant(tenant), images.values()
    keys = {name: row[name] for name in ("partition", "connectionId")}
    change = {"Keys": keys, "SequenceNumber": partition.checkpoint, "StreamViewType": "NEW_AND_OLD_IMAGES", **images}
    record = {"eventID": "again", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": change}
    answer = scene.system.functions.invoke(
        FunctionName=scene.system.deployment.functions["accounting"],
        Payload=json.dumps({"Records": [record]}).encode(),
    )
    assert json.load(answer["Payload"]) == {"batchItemFailures": []}


async def posted(scene: Scene, guests: list[Guest], **broadcast: Any) -> str:
    """A broadcast that all guests have got; its id."""
    broadcast_id = await scene.broadcast(**broadcast)
    assert {(await guest.frame())["id"] for guest in guests} == {broadcast_id}
    return broadcast_id


async def test_connections_are_recorded_under_a_partition_that_the_stream_counts(scene: Scene) -> None:
    """Each one's row names its partition, and the partition's count follows who comes and goes."""
    guests = await scene.guests(await scene.session(tenant := scene.tenant()), 4)
    ids = {await guest.connection_id() for guest in guests}
    assert rows(scene, tenant).keys() == ids
    assert set(rows(scene, tenant).values()) == {f"{tenant}#00000"}
    await scene.counted(tenant, 4)
    guests[0].leave()
    count = await scene.counted(tenant, 3)
    assert count.partitions == 1


async def test_an_invocation_with_a_message_reaches_everyone(scene: Scene) -> None:
    """`{"message": ...}`, as its Swarm takes it."""
    guest = await scene.guest(scene.tenant())
    answer = scene.system.functions.invoke(
        FunctionName=scene.system.deployment.functions["publish"],
        Payload=json.dumps({"message": "hello, everyone"}).encode(),
    )
    broadcast_id = json.load(answer["Payload"])["broadcastId"]
    frame = await guest.frame()
    assert (frame["id"], frame["data"]) == (broadcast_id, "hello, everyone")


async def test_every_partition_is_queried_and_their_connections_are_spread_over_the_shards(scene: Scene) -> None:
    """Three partitions have too many rows for one chunk, most of them stale; in all shards together each waits once."""
    async with Invariants(scene) as invariants:
        await invariants.join(6)
        partitions = [nth_partition(invariants.tenant, number) for number in range(3)]
        scene.system.deployment.partitions.open(partitions)
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


async def test_each_connection_is_posted_to_and_a_stale_one_is_deleted(scene: Scene) -> None:
    """A 410 deletes that connection's row, and no other."""
    stays, leaves = await scene.guests(await scene.session(tenant := scene.tenant()), 2)
    await scene.lose(leaves)
    for row in scene.system.connections_of(tenant):
        scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)
    broadcast_id = await posted(scene, [stays], audience={"tenantId": tenant})
    report = await scene.report(broadcast_id)
    assert (report["delivered"], report["gone"]) == (1, 1)
    await eventually(lambda: len(rows(scene, tenant)) == 1)


async def test_a_frame_says_when_it_was_published(scene: Scene) -> None:
    """So that a client sees the latency."""
    guest = await scene.guest(tenant := scene.tenant())
    before = time.time() * 1000
    await scene.broadcast({"tenantId": tenant})
    frame = await guest.frame()
    assert before - 1 <= frame["publishedAt"] <= time.time() * 1000


async def test_a_session_is_told_where_to_connect(scene: Scene) -> None:
    """In place of one host name for several accounts: the API places each session."""
    session = await scene.session(scene.tenant())
    assert session.websocket_url == scene.system.deployment.websocket_url
    await scene.connect(session)


async def test_nothing_is_acknowledged_before_it_is_durable(scene: Scene) -> None:
    """Published means recorded, and every recipient stands in a chunk before anybody is posted to."""
    guest = await scene.guest(tenant := scene.tenant())
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = BroadcastId(await scene.broadcast({"tenantId": tenant}))
        assert scene.system.broadcasts.summary(broadcast_id) is not None
        chunks = await eventually(lambda: chunks_of(scene.system.broadcasts, 0, broadcast_id))
        assert [ids for chunk in chunks for ids in chunk.recipients.values()] == [[*rows(scene, tenant)]]
        report = await scene.api.call("GET", f"/broadcast/{broadcast_id}")
        assert (report["dispatched"], report["inFlight"], report["status"]) == (1, 1, "delivering")
    assert (await guest.frame())["id"] == broadcast_id


async def test_errors_and_429s_are_retried_until_everyone_is_reached(scene: Scene) -> None:
    """None is swallowed: all get the frame, and the report says so."""
    guests = await scene.guests(await scene.session(tenant := scene.tenant()), 10)
    await scene.faults(error_rate=0.3, throttle_rate=0.3)
    report = await scene.report(await posted(scene, guests, audience={"tenantId": tenant}))
    assert (report["delivered"], report["failed"]) == (10, 0)


async def test_one_queue_message_carries_many_connections(scene: Scene) -> None:
    """Thirty of them wait in a single message."""
    await scene.guests(await scene.session(tenant := scene.tenant()), 30)
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = await scene.broadcast({"tenantId": tenant})
        (chunk,) = await eventually(lambda: chunks_waiting(scene, scene.system.shard(broadcast_id), broadcast_id))
    assert sum(len(ids) for ids in chunk.recipients.values()) == 30
    assert (await scene.report(broadcast_id))["delivered"] == 30


async def test_a_partition_of_any_number_is_delivered(scene: Scene) -> None:
    """Shards are chosen by where a chunk comes in its broadcast, not by a map of partition numbers."""
    guest = await scene.guest(tenant := scene.tenant())
    (row,) = scene.system.connections_of(tenant)
    late = Partition(f"{tenant}#03000")
    scene.system.deployment.partitions.open([late])
    table = scene.system.table("connections")
    key = {"partition": row["partition"], "connectionId": row["connectionId"]}
    scene.system.dynamodb.put_item(TableName=table, Item=row | {"partition": {"S": late}})
    scene.system.dynamodb.delete_item(TableName=table, Key=key)
    broadcast_id = await posted(scene, [guest], audience={"tenantId": tenant})
    assert (await scene.report(broadcast_id))["delivered"] == 1
    scene.system.dynamodb.delete_item(TableName=table, Key=key | {"partition": {"S": late}})


async def test_counting_a_change_again_changes_nothing(scene: Scene) -> None:
    """A record of the stream comes a second time: the count stays what it is, and does not go below zero."""
    guest = await scene.guest(tenant := scene.tenant())
    (row,) = scene.system.connections_of(tenant)
    await scene.counted(tenant, 1)
    count_again(scene, tenant, "INSERT", {"NewImage": row})
    await scene.counted(tenant, 1)
    guest.leave()
    await scene.counted(tenant, 0)
    count_again(scene, tenant, "REMOVE", {"OldImage": row})
    await scene.counted(tenant, 0)


async def test_a_duplicate_is_known_by_its_id(scene: Scene) -> None:
    """The frame of a broadcast that is published again has the id of the first one; it is not even sent again."""
    guest = await scene.guest(tenant := scene.tenant())
    broadcast_id = uuid.uuid4().hex
    for _ in range(2):
        assert await scene.api.publish({"tenantId": tenant}, "once", broadcast_id) == broadcast_id
    (frames,) = await scene.received([guest])
    assert [frame["id"] for frame in frames] == [broadcast_id]


async def test_nobody_connects_without_a_session(scene: Scene) -> None:
    """There is an authorizer, and it asks for both ids."""
    assert (await scene.refusal()).status == 401
    assert (await scene.refusal(tenantId=scene.tenant(), sessionId=scene.secret())).status == 403
