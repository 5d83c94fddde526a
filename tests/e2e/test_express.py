"""Small broadcasts have a way of their own."""

from loudhailer.broadcast.messages import ChunkMessage
from tests.e2e.faults import paused, taken
from tests.e2e.scene import Scene


async def test_a_small_broadcast_waits_for_nobodys_large_one(scene: Scene) -> None:
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


async def test_what_an_express_lane_leaves_is_broadcast_as_any_other(scene: Scene) -> None:
    """While the gateway answers errors: the chunk goes to a shard, in its tenant's group."""
    tenant = scene.tenant()
    (guest,) = await scene.guests(await scene.session(tenant), 1)
    with paused(scene.system, *scene.system.deployment.shard_names):
        await scene.faults(throttle_rate=1.0)
        broadcast_id = await scene.broadcast({"tenantId": tenant}, priority="express")
        left = ChunkMessage.from_wire(await taken(scene.system, scene.system.shard(broadcast_id), broadcast_id))
        assert (left.chunk_id, left.remaining, left.group) == ("0.0", 1, tenant)
        await scene.faults()
        queue = scene.system.queue(scene.system.shard(broadcast_id))
        scene.system.sqs.send_message(QueueUrl=queue, MessageBody=left.to_wire())
    assert (await guest.frame())["id"] == broadcast_id
    assert (await scene.report(broadcast_id))["delivered"] == 1
