"""Small broadcasts have a way of their own."""

import time

import pytest

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.ids import nth_partition
from tests.e2e.faults import paused, taken
from tests.e2e.invariants import letters_of
from tests.e2e.scene import Scene
from tests.support.waiting import eventually
from tools.client.http import ApiError


async def test_a_small_broadcast_does_not_wait_for_a_large_one(scene: Scene) -> None:
    """While nobody looks into the queues of the long way, it is delivered and its report ends."""
    tenant = scene.tenant()
    guests = await scene.guests(await scene.session(tenant), 3)
    with paused(scene.system, "broadcast", "partition", *scene.system.deployment.shard_names):
        bulk = await scene.broadcast({"tenantId": tenant}, "bulk")
        accepted = await scene.api.accepted({"tenantId": tenant}, "express")
        assert (accepted["priority"], accepted["expected"]) == ("express", 3)
        assert [(await guest.frame())["data"] for guest in guests] == ["express"] * 3
        report = await scene.report(accepted["broadcastId"])
        assert (report["expected"], report["delivered"], report["failed"]) == (3, 3, 0)
    assert [(await guest.frame())["data"] for guest in guests] == ["bulk"] * 3
    assert (await scene.report(bulk))["delivered"] == 3


async def test_the_rest_of_an_express_chunk_is_sent_through_a_shard(scene: Scene) -> None:
    """While the gateway answers errors: the chunk goes to a shard, in its tenant's group."""
    tenant = scene.tenant()
    (guest,) = await scene.guests(await scene.session(tenant), 1)
    with paused(scene.system, *scene.system.deployment.shard_names):
        await scene.faults(throttle_rate=1.0)
        broadcast_id = await scene.broadcast({"tenantId": tenant}, priority="express")
        chunk = ChunkMessage.from_wire(await taken(scene.system, scene.system.shard(broadcast_id), broadcast_id))
        assert (chunk.chunk_id, chunk.remaining, chunk.group) == ("0.0", 1, tenant)
        await scene.faults()
        queue = scene.system.queue(scene.system.shard(broadcast_id))
        scene.system.sqs.send_message(QueueUrl=queue, MessageBody=chunk.to_wire())
    assert (await guest.frame())["id"] == broadcast_id
    assert (await scene.report(broadcast_id))["delivered"] == 1


async def test_a_deadline_ends_a_broadcast_without_a_dead_letter(scene: Scene) -> None:
    """Its chunk comes to a worker too late: the report says that it expired, and nobody gets the frame."""
    tenant = scene.tenant()
    (guest,) = await scene.guests(await scene.session(tenant), 1)
    with paused(scene.system, "express"):
        accepted = await scene.api.accepted({"tenantId": tenant}, "late", priority="express", deadlineSeconds=1)
        # A broadcast ends with a whole second, no sooner than its deadline.
        over = time.time() + 2
        await eventually(time.time, lambda now: now > over)
    report = await scene.report(accepted["broadcastId"])
    assert (report["failed"], report["delivered"], report["expired"]) == (1, 0, True)
    after = await scene.broadcast({"tenantId": tenant}, "after", priority="express")
    assert (await guest.frame())["id"] == after
    assert letters_of(scene, [accepted["broadcastId"]]) == []


async def test_an_unknown_priority_and_a_deadline_of_no_time_are_refused(scene: Scene) -> None:
    """The answer names the field."""
    tenant = scene.tenant()
    for fields in ({"priority": "now"}, {"deadlineSeconds": 0}, {"deadlineSeconds": 301}):
        with pytest.raises(ApiError) as refused:
            await scene.api.accepted({"tenantId": tenant}, "hello", **fields)
        assert (refused.value.status, refused.value.body["error"]["field"]) == (400, next(iter(fields)))


async def test_an_express_broadcast_to_a_million_is_bulk_with_a_note(scene: Scene) -> None:
    """The counts say so, although one of them is there."""
    tenant = scene.tenant()
    (guest,) = await scene.guests(await scene.session(tenant), 1)
    await scene.counted(tenant, 1)

    def count(more: int) -> None:
        scene.system.dynamodb.update_item(
            TableName=scene.system.table("partitions"),
            Key={"tenantId": {"S": tenant}, "partition": {"S": nth_partition(tenant, 0)}},
            UpdateExpression="ADD connectionCount :more",
            ExpressionAttributeValues={":more": {"N": str(more)}},
        )

    count(999_999)
    try:
        accepted = await scene.api.accepted({"tenantId": tenant}, "hello", priority="express")
    finally:
        count(-999_999)
    assert (accepted["priority"], accepted["expected"]) == ("bulk", 1_000_000)
    assert accepted["note"] == "express is for at most 500 recipients; there are 1000000"
    assert (await guest.frame())["id"] == accepted["broadcastId"]
