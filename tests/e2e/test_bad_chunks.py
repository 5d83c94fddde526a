"""Endpoints, frames and ids that are no good reach a worker: a named outcome, a log line, and no id is lost."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.payload import Payload
from loudhailer.ids import BroadcastId
from tests.e2e.faults import paused, taken
from tests.e2e.scene import Guest, Scene
from tests.e2e.system import System
from tests.support.management_api import running
from tests.support.waiting import eventually
from tools.operations.logs import LogReader

GUESTS = 3
MAX_MESSAGE_BYTES = 128 * 1024


async def changed(scene: Scene, change: Callable[[ChunkMessage], ChunkMessage]) -> tuple[list[Guest], ChunkMessage]:
    """A broadcast to a few guests whose chunk is another one when the worker gets it; this one."""
    guests = await scene.guests(await scene.session(tenant := scene.tenant()), GUESTS)
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = await scene.broadcast({"tenantId": tenant})
        shard = scene.system.shard(broadcast_id)
        chunk = change(ChunkMessage.from_wire(await taken(scene.system, shard, broadcast_id)))
        scene.system.sqs.send_message(QueueUrl=scene.system.queue(shard), MessageBody=chunk.to_wire())
    return guests, chunk


def lines(system: System) -> list[dict[str, Any]]:
    """Return what `post_message` has logged."""
    reader = LogReader(system.logs, {"post_message": system.deployment.functions["post_message"]})
    return [json.loads(event.message) for event in reader.since(0) if event.message.startswith("{")]


def logged(system: System, broadcast_id: BroadcastId, message: str) -> bool:
    """Tell whether it has logged this of the broadcast."""
    wanted = {"broadcast_id": broadcast_id, "message": message}
    return any(wanted.items() <= line.items() for line in lines(system))


async def given_up(scene: Scene, chunk: ChunkMessage, reason: str) -> None:
    """Wait until all of the chunk is failed in the report, rests in the dead-letter queue, and is in the log."""
    report = await scene.report(chunk.broadcast_id)
    assert (report["dispatched"], report["failed"]) == (GUESTS, GUESTS)
    assert await scene.dead_letter(chunk.to_wire()) == {"reason": reason}
    await eventually(partial(logged, scene.system, chunk.broadcast_id, "part of the chunk is given up"))


async def test_a_forged_endpoint_gets_no_signed_request(scene: Scene) -> None:
    """A chunk in a shard names a host of an attacker: the worker refuses it, and sends nothing there."""
    with running() as elsewhere:
        _, chunk = await changed(scene, lambda chunk: replace(chunk, endpoint=elsewhere.endpoint))
        assert (await scene.dead_letter(chunk.to_wire()))["reason"] == "endpoint must be that of the cell's own API"
        report = await scene.report(chunk.broadcast_id)
        assert (report["delivered"], report["failed"]) == (0, GUESTS)
        assert elsewhere.requests == []


@pytest.mark.parametrize("size", [MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES])
async def test_a_frame_of_up_to_128_kib_is_delivered(scene: Scene, size: int) -> None:
    """Whatever its content is."""
    guests, chunk = await changed(scene, lambda chunk: replace(chunk, payload=Payload("x" * size)))
    assert [len(await guest.receive(60)) for guest in guests] == [size] * GUESTS
    assert (await scene.report(chunk.broadcast_id))["delivered"] == GUESTS


async def test_a_frame_of_more_than_128_kib_is_given_up_at_once(scene: Scene) -> None:
    """The gateway will never take it."""
    _, chunk = await changed(scene, lambda chunk: replace(chunk, payload=Payload("x" * (MAX_MESSAGE_BYTES + 1))))
    await given_up(scene, chunk, "the gateway refuses the frame")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"data": ""}, "data is missing"),
        ({"data": base64.b64encode(b"\xff").decode(), "encoding": "base64"}, "data is not base64 of UTF-8"),
        ({"connections": {"tenant#00000": ["a b"]}, "young": "AA=="}, "connections: must be an API Gateway connection"),
    ],
    ids=["empty", "not-utf-8", "illegal-id"],
)
async def test_a_malformed_chunk_is_kept_with_its_ids(scene: Scene, fields: dict[str, Any], reason: str) -> None:
    """Nobody is posted to; the letter says why, and so does the log; the report comes to an end."""
    await scene.guest(tenant := scene.tenant())
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = BroadcastId(await scene.broadcast({"tenantId": tenant}))
        shard = scene.system.shard(broadcast_id)
        body = json.dumps(json.loads(await taken(scene.system, shard, broadcast_id)) | fields)
        scene.system.sqs.send_message(QueueUrl=scene.system.queue(shard), MessageBody=body)
    assert (await scene.dead_letter(body))["reason"].startswith(reason)
    report = await scene.report(broadcast_id)
    assert (report["delivered"], report["failed"]) == (0, 1)
    await eventually(lambda: any(str(line.get("reason")).startswith(reason) for line in lines(scene.system)))
