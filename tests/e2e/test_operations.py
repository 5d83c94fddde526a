"""Commands for a broadcast that should end, or did not reach everyone."""

import asyncio
from dataclasses import replace
from functools import partial

import pytest

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.ids import BroadcastId
from tests.e2e.faults import paused, taken
from tests.e2e.invariants import Invariants, letters_of
from tests.e2e.scene import Scene
from tests.support.waiting import eventually

CROWD = 30


async def given_up(invariants: Invariants) -> BroadcastId:
    """A broadcast whose one chunk has its last attempt while the gateway answers nothing but errors."""
    scene = invariants.scene
    await scene.faults(error_rate=1.0)
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = await invariants.publish()
        shard = scene.system.shard(broadcast_id)
        chunk = ChunkMessage.from_wire(await taken(scene.system, shard, broadcast_id))
        last = replace(chunk, attempt=8).to_wire()
        scene.system.sqs.send_message(QueueUrl=scene.system.queue(shard), MessageBody=last)
    await invariants.until(broadcast_id, status="finished", failed=CROWD)
    await scene.faults()
    return broadcast_id


def is_cancelled(scene: Scene, broadcast_id: BroadcastId) -> bool:
    """Tell whether the broadcast's summary says so."""
    summary = scene.system.broadcasts.summary(broadcast_id)
    return summary is not None and summary.cancelled


@pytest.mark.image_smoke
async def test_a_given_up_message_is_redriven(scene: Scene) -> None:
    """Failed becomes delivered; letters of other broadcasts, and malformed ones, stay."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        redriven, resting = await given_up(invariants), await given_up(invariants)
        garbage = f"garbage of {redriven}"
        scene.system.sqs.send_message(QueueUrl=scene.system.queue("dead-letter"), MessageBody=garbage)
        assert len(letters_of(scene, [redriven, resting], take=False)) == 2
        done = await asyncio.to_thread(scene.system.as_operator, "redrive", "--broadcast", redriven)
        assert done.returncode == 0, done.stderr
        assert "of another broadcast" in done.stdout
        await invariants.until(redriven, delivered=CROWD, failed=0)
        assert [letter.broadcast_id for letter in letters_of(scene, [redriven, resting], take=False)] == [resting]
        assert await scene.dead_letter(garbage) == {}
        await invariants.hold(failed=None)
        assert (invariants.got(redriven), invariants.got(resting)) == (CROWD, 0)


async def test_a_message_received_too_often_is_failed_and_redriven(scene: Scene) -> None:
    """A message of each queue that no worker acknowledged: its report ends, it rests, and it can be sent again."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        broadcasts = []
        for queue in ("broadcast", "partition", "shard"):
            with paused(scene.system, *(scene.system.deployment.shard_names if queue == "shard" else [queue])):
                broadcast_id = await invariants.publish()
                name = scene.system.shard(broadcast_id) if queue == "shard" else queue
                url = scene.system.queue(name)
                await eventually(partial(scene.system.waiting, name))
                for _ in range(5 if queue == "shard" else 10):
                    (message,) = scene.system.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"]
                    assert broadcast_id in message["Body"]
                assert "Messages" not in scene.system.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)
            await invariants.until(broadcast_id, status="finished")
            report = invariants.report(broadcast_id)
            # Recipients that were not searched are known by the counts; without a plan the counts were not read.
            lost = {"broadcast": 0, "partition": report["expected"], "shard": CROWD}[queue]
            assert report["dispatched"] == report["failed"] == lost
            await eventually(partial(letters_of, scene, [broadcast_id], take=False))
            assert invariants.got(broadcast_id) == 0
            broadcasts.append(broadcast_id)
        done = await asyncio.to_thread(scene.system.as_operator, "redrive")
        assert done.returncode == 0, done.stderr
        for broadcast_id in broadcasts:
            await invariants.until(broadcast_id, delivered=CROWD, failed=0)
        await invariants.hold()


async def test_an_outcome_received_too_often_is_still_settled(scene: Scene) -> None:
    """It reports the truth: nothing failed, and no message waits."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        with paused(scene.system, "outcome"):
            broadcast_id = await invariants.publish()
            url = scene.system.queue("outcome")
            await eventually(lambda: scene.system.waiting("outcome"))
            while scene.system.sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages"):
                continue
        await invariants.hold()
        assert letters_of(scene, [broadcast_id]) == []


@pytest.mark.image_smoke
async def test_a_waiting_chunk_is_cancelled(scene: Scene) -> None:
    """Nobody gets it any more; another broadcast's chunk in the same shard is delivered."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        with paused(scene.system, *scene.system.deployment.shard_names):
            ended, spared = await invariants.publish("no"), await invariants.publish("yes")
            for broadcast_id in (ended, spared):
                await invariants.until(broadcast_id, dispatched=CROWD, inFlight=CROWD)
            command = asyncio.create_task(asyncio.to_thread(scene.system.as_operator, "cancel", ended))
            await eventually(partial(is_cancelled, scene, ended))
            await asyncio.sleep(2)  # time enough for it to look into the shard again and again
        done = await command
        assert done.returncode == 0, done.stderr
        assert "finished" in done.stdout
        await invariants.hold(cancelled=[ended])
        report = invariants.report(ended)
        assert (report["cancelled"], report["failed"], report["delivered"]) == (True, CROWD, 0)
        assert (invariants.got(ended), invariants.got(spared)) == (0, CROWD)
        assert letters_of(scene, [ended, spared]) == []


async def test_a_broadcast_is_cancelled_before_its_recipients_are_found(scene: Scene) -> None:
    """In either queue before that: nobody is looked for any more, and the report ends."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        cancelled = []
        for queue in ("broadcast", "partition"):
            with paused(scene.system, queue):
                ended = await invariants.publish()
                await eventually(partial(scene.system.waiting, queue))
                command = asyncio.create_task(asyncio.to_thread(scene.system.as_operator, "cancel", ended))
                await eventually(partial(is_cancelled, scene, ended))
            done = await command
            assert done.returncode == 0, done.stderr
            cancelled.append(ended)
        await invariants.hold(cancelled=cancelled)
        for ended in cancelled:
            report = invariants.report(ended)
            assert (report["cancelled"], report["delivered"]) == (True, 0)
            assert 0 < report["expected"] == report["dispatched"] == report["failed"]
            assert invariants.got(ended) == 0


async def test_a_finished_broadcast_does_not_change(scene: Scene) -> None:
    """Clients keep their frames, and a cancelled broadcast is not redriven."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        delivered = await invariants.publish()
        await invariants.until(delivered, delivered=CROWD)
        failed = await given_up(invariants)
        for broadcast_id in (delivered, failed):
            done = scene.system.as_operator("cancel", broadcast_id)
            assert done.returncode == 0, done.stderr
            assert f"Broadcast {broadcast_id} was finished already" in done.stderr
        unknown = scene.system.as_operator("redrive", "--broadcast", "unknown")
        assert unknown.returncode == 1
        assert "There is no broadcast unknown." in unknown.stderr
        assert "cancelled" in scene.system.as_operator("redrive", "--broadcast", failed).stdout
        await invariants.hold(failed=None)
        assert invariants.report(failed)["failed"] == CROWD
        assert invariants.got(failed) == 0


async def test_given_up_frames_are_redriven_in_order(scene: Scene) -> None:
    """They rest in the FIFO dead-letter queue; sent again, the session hears them as they were sent."""
    session = await scene.session(scene.tenant())
    sender, other = await scene.guests(session, 2)
    texts = [f"frame {number}" for number in range(3)]
    url = scene.system.queue("pooled")
    with paused(scene.system, "pooled"):
        for number, text in enumerate(texts, 1):
            sender.send_json({"action": "PooledSQS", "message": text})
            await eventually(partial(scene.system.waiting, "pooled"), number.__eq__)
        for _ in range(6):
            scene.system.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        await eventually(partial(scene.system.waiting, "dead-letter-fifo"), len(texts).__eq__)
    done = await asyncio.to_thread(scene.system.as_operator, "redrive")
    assert done.returncode == 0, done.stderr
    assert "frame of pooled" in done.stdout
    heard = [await other.frame() for _ in range(2 * len(texts))]
    assert [frame["message"] for frame in heard if "queue" not in frame] == texts
    assert [frame["message"]["message"] for frame in heard if "queue" in frame] == texts
    assert scene.system.waiting("dead-letter-fifo", "pooled") == 0
