"""Whatever breaks, the invariants hold; one fault at a time, each on real sockets."""

import asyncio
from collections.abc import Iterator
from functools import partial

import pytest

from loudhailer import codec
from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.payload import Payload, broadcast_frame
from tests.e2e.faults import Workers, not_written, paused, visible_again_after, without
from tests.e2e.invariants import Invariants
from tests.e2e.scene import Scene
from tests.e2e.system import System, log_events
from tests.support.broadcasts import chunks_of
from tests.support.waiting import eventually

CROWD = 60
TRIES = 5
"""A worker may finish before it is stopped: then another broadcast is tried."""


@pytest.fixture
def soon_visible_again(system: System) -> Iterator[None]:
    """A message whose worker was killed is delivered again after 10 s: more than any worker needs for it here."""
    with visible_again_after(system, 10, *system.deployment.shard_names, "broadcast", "partition", "outcome"):
        yield


async def posts(scene: Scene, counter: str) -> int:
    """One of the gateway's counters of posts: `reset`, or a status."""
    stats = await scene.gateway("stats")
    return int(stats["posts_reset"] if counter == "reset" else stats["posts"].get(counter, 0))


async def test_a_fifth_of_the_sockets_has_vanished(scene: Scene) -> None:
    """No `$disconnect` announced them: the broadcast detects them, deletes their rows, and delays no other client."""
    async with Invariants(scene) as invariants:
        everyone = await invariants.join(CROWD)
        await invariants.lose(everyone[::5])
        await invariants.publish()
        await invariants.hold(gone=CROWD // 5)


@pytest.mark.image_smoke
async def test_a_storm_of_429s(scene: Scene) -> None:
    """For a while nobody gets through, then few do; in the end all have got it, once."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        before = await posts(scene, "429")
        await scene.faults(throttle_rate=1.0)
        await invariants.publish("first")
        await eventually(lambda: posts(scene, "429"), lambda now: now > before + CROWD)
        await scene.faults(throttle_rate=0.7)
        await invariants.publish("second")
        await asyncio.sleep(2)
        await scene.faults()
        await invariants.hold()


async def test_a_single_client_that_does_not_read(scene: Scene) -> None:
    """The others do not wait for it; it gets everything when it reads again."""
    async with Invariants(scene) as invariants:
        slow, *others = await invariants.join(CROWD)
        slow.stop_reading()
        broadcasts = [await invariants.publish("x" * 100_000) for _ in range(12)]
        numbers = {member.number for member in others}
        for broadcast_id in broadcasts:
            assert await invariants.crowd.arrived(broadcast_id, numbers, 60)
        full = {"delivered": CROWD - 1, "inFlight": 1}
        await eventually(lambda: any(full.items() <= invariants.report(each).items() for each in broadcasts))
        slow.resume_reading()
        await invariants.hold()


@pytest.mark.parametrize(
    "faults",
    [
        {"error_rate": 0.2, "reset_rate": 0.2, "throttle_rate": 0.2},
        {"error_rate": 0.1, "reset_rate": 0.1, "throttle_rate": 0.1, "lost_response_rate": 0.3, "latency_ms": 20.0},
    ],
    ids=["answered", "lost-response"],
)
async def test_errors_and_resets_at_random(scene: Scene, faults: dict[str, float]) -> None:
    """Only connections whose post had no answer may get it twice."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        before = await posts(scene, "reset")
        await scene.faults(**faults)
        await invariants.publish()
        await invariants.settled()
        unanswered = await posts(scene, "reset") - before
        await scene.faults()
        await invariants.hold(duplicates=unanswered if "lost_response_rate" in faults else 0)


def failures(system: System, function: str) -> int:
    """Number of messages that the function could not handle for now, by its log."""
    group = f"/aws/lambda/{system.deployment.functions[function]}"
    return len({event for event in log_events(system, group) if "will be delivered again" in event})


@pytest.mark.parametrize("function", ["swarm", "query"])
async def test_a_failed_write_is_retried_while_its_broadcast_lives(scene: Scene, function: str) -> None:
    """With the invisibility of production, six timeouts of 20 seconds: a message that failed must not wait for that."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        before = failures(scene.system, function)
        with visible_again_after(scene.system, 6 * 20, "broadcast", "partition"):
            with not_written(scene.system, function, "broadcasts"):
                await invariants.publish()
                await eventually(lambda: failures(scene.system, function), lambda now: now > before)
            await invariants.hold()


@pytest.mark.usefixtures("soon_visible_again")
@pytest.mark.image_smoke
async def test_a_worker_killed_in_the_middle_of_a_chunk(scene: Scene) -> None:
    """The chunk is delivered again: only connections that had it get it twice."""
    crowd = 5 * CROWD  # more than a lane's bucket holds, so that they are not posted to all at once
    async with Invariants(scene) as invariants:
        await invariants.join(crowd)
        broadcast_id = invariants.announced()
        kill = await Workers(scene.system, "post_message").kill_when(lambda: invariants.got(broadcast_id))
        await invariants.publish(broadcast_id=broadcast_id)
        await kill
        await asyncio.sleep(0.5)
        got = invariants.got(broadcast_id)
        assert 0 < got < crowd
        await invariants.hold(duplicates=got)


async def test_a_paused_shard_that_delivers_its_chunk_twice(scene: Scene) -> None:
    """Nobody gets anything until it continues; then two workers post the same chunk at once."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        with paused(scene.system, *scene.system.deployment.shard_names):
            broadcast_id = await invariants.publish()
            await invariants.until(broadcast_id, dispatched=CROWD, inFlight=CROWD)
            shard = scene.system.queue(scene.system.shard(broadcast_id))
            (message,) = scene.system.sqs.receive_message(QueueUrl=shard, VisibilityTimeout=0)["Messages"]
            assert ChunkMessage.from_wire(message["Body"]).broadcast_id == broadcast_id
            scene.system.sqs.send_message(QueueUrl=shard, MessageBody=message["Body"])
            assert invariants.got(broadcast_id) == 0
        await invariants.hold(duplicates=CROWD)


async def test_a_chunk_redelivered_long_after_its_report(scene: Scene) -> None:
    """A report that is finished does not change, although everyone gets the frame again."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        broadcast_id = await invariants.publish()
        await invariants.hold()
        report = dict(invariants.report(broadcast_id))
        chunk = chunks_of(scene.system.broadcasts, 0, broadcast_id)[0]
        message = ChunkMessage(
            broadcast_id=broadcast_id,
            chunk_id=chunk.chunk_id,
            endpoint=scene.system.deployment.outputs["callback_endpoint"],
            recipients=chunk.recipients,
            young=chunk.young,
            young_until=chunk.young_until,
            remaining=(1 << chunk.size) - 1,
            attempt=1,
            payload=Payload.of(broadcast_frame(broadcast_id, report["publishedAt"], codec.json_text("hello"))),
            published_at=report["publishedAt"],
            expires_at=report["publishedAt"] // 1000 + 300,
        )
        scene.system.sqs.send_message(QueueUrl=scene.system.queue("shard-0"), MessageBody=message.to_wire())
        await invariants.hold(duplicates=CROWD)
        assert await scene.report(broadcast_id) == report


async def test_outcomes_that_wait_while_settle_is_stopped(scene: Scene) -> None:
    """All get the frame, and the report says so as soon as it can."""
    async with Invariants(scene) as invariants:
        everyone = await invariants.join(CROWD)
        await invariants.lose(everyone[:6])
        with paused(scene.system, "outcome"):
            broadcast_id = await invariants.publish()
            await eventually(lambda: invariants.got(broadcast_id) == CROWD - 6)
            await invariants.until(broadcast_id, dispatched=CROWD, inFlight=CROWD)
        await invariants.hold(gone=6)


@pytest.mark.usefixtures("soon_visible_again")
async def test_an_outcome_queue_missing_for_a_while(scene: Scene) -> None:
    """Without its outcome being sent, a chunk is not acknowledged: it is posted again until that works."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        await eventually(lambda: scene.system.waiting("outcome") == 0)
        with without(scene.system, "outcome"):
            broadcast_id = await invariants.publish()
            await eventually(lambda: invariants.got(broadcast_id) == CROWD)
            await asyncio.sleep(2)
        await invariants.until(broadcast_id, inFlight=CROWD)
        await invariants.hold(duplicates=CROWD)


async def test_the_stream_consumer_killed_between_its_write_and_its_answer(scene: Scene) -> None:
    """The repeated batch counts nothing twice; `reconcile` repairs the total, which was not released."""
    async with Invariants(scene) as invariants:
        everyone = await invariants.join(CROWD)
        await scene.counted(invariants.tenant, CROWD)
        (partition,) = scene.system.deployment.partitions.of(invariants.tenant)

        def written() -> bool:
            (now,) = scene.system.deployment.partitions.of(invariants.tenant)
            return now.checkpoint != partition.checkpoint

        kill = await Workers(scene.system, "accounting").kill_when(written)
        await invariants.crowd.leave(everyone[:20])
        await kill
        await invariants.join(10)
        await invariants.publish()
        await invariants.hold(repaired=True)


@pytest.mark.nightly
async def test_the_stream_consumer_killed_repeatedly(scene: Scene) -> None:
    """While connections come and go."""
    async with Invariants(scene) as invariants:
        await invariants.join(10)
        accounting, killed = Workers(scene.system, "accounting"), 0
        for _ in range(6):
            joined = await invariants.join(5)
            await invariants.crowd.leave(joined[:3])
            killed += accounting.kill()
        assert killed
        await invariants.publish()
        await invariants.hold(gone=None, repaired=True)


async def with_workers(scene: Scene) -> None:
    """Broadcast once, so that each function has a worker: a new one could be done before it is found."""
    (guest,) = await scene.guests(await scene.session(tenant := scene.tenant()), 1)
    await scene.broadcast({"tenantId": tenant}, "first")
    await guest.frame()


@pytest.mark.usefixtures("soon_visible_again")
async def test_swarm_killed_half_way(scene: Scene) -> None:
    """It continues with the existing sources, and sends them: everyone is in exactly one."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        heard = CROWD
        for _ in range(TRIES):
            await with_workers(scene)
            broadcast_id = invariants.announced()
            stands = partial(scene.system.broadcasts.sources, broadcast_id)
            kill = await Workers(scene.system, "swarm").kill_when(stands)
            await invariants.publish(broadcast_id=broadcast_id)
            await kill
            if not (heard := invariants.got(broadcast_id)):
                break
        assert heard == 0
        await invariants.hold()


@pytest.mark.usefixtures("soon_visible_again")
async def test_query_killed_half_way(scene: Scene) -> None:
    """It continues after the existing chunks, sends them again, and dispatches everyone once."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        ghosts, dispatched = 1_200, None
        for _ in range(TRIES):
            await invariants.haunt(ghosts)
            await scene.counted(invariants.tenant, CROWD + ghosts)
            await with_workers(scene)
            broadcast_id = invariants.announced()
            stands = partial(scene.system.broadcasts.chunk_sizes, broadcast_id, 0)
            kill = await Workers(scene.system, "query").kill_when(stands)
            await invariants.publish(broadcast_id=broadcast_id)
            await kill
            source = scene.system.broadcasts.source(broadcast_id, 0)
            assert source is not None
            if (dispatched := source.dispatched) is None:
                break
            await invariants.settled()
        assert dispatched is None
        await invariants.hold(duplicates=TRIES * CROWD, gone=ghosts)


@pytest.mark.nightly
@pytest.mark.usefixtures("soon_visible_again")
async def test_all_functions_of_a_broadcast_killed_repeatedly(scene: Scene) -> None:
    """Swarm, query and settle at random moments while broadcasts are on their way."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        workers = [Workers(scene.system, function) for function in ("swarm", "query", "settle")]
        for number in range(6):
            await invariants.publish(number)
            await asyncio.sleep(0.01 * number)
            for each in workers:
                each.kill()
        await invariants.hold(duplicates=6 * CROWD)
