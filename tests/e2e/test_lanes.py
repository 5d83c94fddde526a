"""Kinds of lanes mark that they post, so that they lend each other their idle share."""

from dataclasses import replace

import pytest

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.model import Priority
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from tests.e2e.faults import paused, taken
from tests.e2e.scene import Scene
from tests.support.waiting import eventually

KEY = {"lanes": {"S": "marks"}}


@pytest.mark.parametrize(
    ("priority", "queue", "kind"),
    [
        (Priority.NORMAL, "shard-0", "normal"),
        (Priority.LOW, "rooms", "low"),
        (Priority.NORMAL, "express", "express"),
    ],
)
async def test_lanes_are_marked_by_query_and_by_the_workers_themselves(
    scene: Scene, priority: Priority, queue: str, kind: str
) -> None:
    """Chunks that come without `query`, as requeued ones do, are marked by the worker that posts them.

    A worker looks while it posts: one that is through with a chunk at once may mark with the next one.
    """
    system = scene.system
    lanes, store = system.table("lanes"), DynamoLaneStore(system.dynamodb, system.table("lanes"))
    (guest,) = await scene.guests(await scene.session(tenant := scene.tenant()), 1)
    with paused(system, *system.deployment.shard_names):
        broadcast_id = await scene.broadcast({"tenantId": tenant})
        chunk = ChunkMessage.from_wire(await taken(system, system.shard(broadcast_id), broadcast_id))
        assert Priority.NORMAL in store.marks()
        system.dynamodb.delete_item(TableName=lanes, Key=KEY)
    body = replace(chunk, priority=priority).to_wire()

    async def is_marked() -> bool:
        system.sqs.send_message(QueueUrl=system.queue(queue), MessageBody=body)
        assert await guest.receive(60)
        return kind in store.marks()

    await eventually(is_marked)
