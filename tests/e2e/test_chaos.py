"""All faults together, at random, for a while; then everything must be as it should.

Each fault comes once, in an order by lot. In the long form more of them come then, until the time is over:
`LOUDHAILER_CHAOS_SECONDS` says for how long. `LOUDHAILER_CHAOS_SEED` says which faults: a run prints its seed, and the
same seed makes the same choices, though not at the same moments.
"""

import asyncio
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial

import pytest

from loudhailer.broadcast.model import TallyKey
from loudhailer.ids import BroadcastId, ChunkId
from tests.e2e.faults import Workers, paused, refused, visible_again_after
from tests.e2e.invariants import Invariants
from tests.e2e.scene import Scene
from tools.client.socket import Departure

SECONDS = float(os.environ.get("LOUDHAILER_CHAOS_SECONDS", "60"))
SEED = int(os.environ.get("LOUDHAILER_CHAOS_SEED", random.SystemRandom().randrange(10**6)))

CROWD = 40
STALE = 100
VICTIMS = ("swarm", "query", "post_message", "settle", "accounting")

_STORM_SECONDS = (0.5, 1.5)
_OUTAGE_SECONDS = (1.0, 3.0)
_WRITE_SECONDS = 15.0
"""Seconds that a worker is given to do what it is to be killed at: other faults may keep it from it."""

_LARGE = "x" * 100_000
_LARGE_BROADCASTS = 12
"""More than the gateway and the network keep for a client that does not read."""


class Chaos:
    """Breaks things at random, and mends what would stay broken."""

    def __init__(self, invariants: Invariants, seed: int) -> None:
        self._invariants = invariants
        self._scene: Scene = invariants.scene
        self._random = random.Random(seed)  # noqa: S311  # it is to be repeatable
        self._workers = {function: Workers(self._scene.system, function) for function in VICTIMS}
        self._queues = [*self._scene.system.deployment.shard_names, "partition", "outcome"]
        self._paused = ExitStack()
        self._resume_reading: Callable[[], None] = lambda: None
        self._actions: dict[Callable[[], Awaitable[None]], int] = {
            self._publish: 12,
            self._kill: 8,
            self._change_faults: 8,
            self._storm: 2,
            self._pause: 4,
            self._outage: 2,
            self._repeat_chunk: 4,
            self._stop_reading: 1,
            self._join: 2,
            self._leave: 2,
            **{partial(self._kill_as_it_writes, function): 1 for function in VICTIMS},
        }

    async def reign(self, seconds: float) -> None:
        """Break things for so long; afterwards nothing is broken any more."""
        ends = time.monotonic() + seconds
        actions, weights = zip(*self._actions.items(), strict=True)
        with self._paused:
            for act in self._random.sample(actions, len(actions)):
                await self._do(act)
            while time.monotonic() < ends:
                (act,) = self._random.choices(actions, weights)
                await self._do(act)
        self._resume_reading()
        await self._scene.faults()

    async def _do(self, act: Callable[[], Awaitable[None]]) -> None:
        await act()
        await asyncio.sleep(self._random.uniform(0, 0.6))

    async def _publish(self) -> None:
        await self._invariants.publish(self._random.random())

    async def _kill(self) -> None:
        await asyncio.to_thread(self._workers[self._random.choice(VICTIMS)].kill)

    async def _kill_as_it_writes(self, function: str) -> None:
        """Kill a function's workers between their first write and their answer, on a broadcast or a join of its own."""
        self._paused.close()
        ends = time.monotonic() + _WRITE_SECONDS
        broadcast_id = self._invariants.announced()
        has_written = self._write_of(function, broadcast_id)
        kill = await self._workers[function].kill_when(lambda: has_written() or time.monotonic() > ends)
        await self._invariants.publish(self._random.random(), broadcast_id)
        if function == "accounting":
            await self._join()
        await kill

    def _write_of(self, function: str, broadcast_id: BroadcastId) -> Callable[[], object]:
        """Tell whether the function has begun to write: what swarm, query and settle do for a broadcast."""
        system, tenant = self._scene.system, self._invariants.tenant

        def checkpoints() -> list[str]:
            return [row.checkpoint for row in system.deployment.partitions.of(tenant)]

        match function:
            case "swarm":
                return lambda: system.broadcasts.sources(broadcast_id)
            case "query":
                return lambda: system.broadcasts.chunk_sizes(broadcast_id, 0)
            case "post_message":
                return lambda: self._invariants.got(broadcast_id)
            case "settle":
                return lambda: system.broadcasts.tallies_of([TallyKey(broadcast_id, ChunkId("0.0"))])
            case _:
                before = checkpoints()
                return lambda: checkpoints() != before

    async def _change_faults(self) -> None:
        rates = {
            name: self._random.choice((0.0, 0.0, 0.1, 0.2))
            for name in ("error_rate", "reset_rate", "lost_response_rate", "throttle_rate")
        }
        seed = self._random.randrange(10**6)
        delays = {name: self._random.choice((0.0, 30.0)) for name in ("latency_ms", "frame_delay_ms")}
        await self._scene.faults(**rates, **delays, drop_disconnect=0.5, seed=seed)

    async def _storm(self) -> None:
        """Answer every post with 429 for a moment, and most of them until the faults change."""
        self._paused.close()
        await self._scene.faults(throttle_rate=1.0, drop_disconnect=0.5)
        await self._publish()
        await asyncio.sleep(self._random.uniform(*_STORM_SECONDS))
        await self._scene.faults(throttle_rate=0.7, drop_disconnect=0.5, seed=self._random.randrange(10**6))

    async def _pause(self) -> None:
        """Pause a queue until another one is paused, or a fault comes that needs all of them."""
        self._paused.close()
        self._paused.enter_context(paused(self._scene.system, self._random.choice(self._queues)))

    async def _outage(self) -> None:
        """Let nobody tell outcomes for a while."""
        self._paused.close()
        with refused(self._scene.system, "post_message", "outcome"):
            await self._publish()
            await asyncio.sleep(self._random.uniform(*_OUTAGE_SECONDS))

    async def _stop_reading(self) -> None:
        """Let one who stays to the end not read, and send more than is kept for it; the one before reads again."""
        self._resume_reading()
        one = self._random.choice(self._invariants.open[: CROWD // 2])
        one.stop_reading()
        self._resume_reading = one.resume_reading
        for _ in range(_LARGE_BROADCASTS):
            await self._invariants.publish(_LARGE)

    async def _repeat_chunk(self) -> None:
        """Deliver a message of a shard twice, if one is there to be seen."""
        shard = self._scene.system.queue(self._random.choice(self._scene.system.deployment.shard_names))
        answer = self._scene.system.sqs.receive_message(QueueUrl=shard, VisibilityTimeout=0)
        for message in answer.get("Messages", []):
            self._scene.system.sqs.send_message(QueueUrl=shard, MessageBody=message["Body"])

    async def _join(self) -> None:
        await self._invariants.join(self._random.randrange(1, 6))

    async def _leave(self) -> None:
        """Let a few leave, as browsers do or as phones do; half of the crowd stays to the end."""
        there = self._invariants.open[CROWD // 2 :]
        leaving = self._random.sample(there, min(len(there), self._random.randrange(1, 6)))
        await self._invariants.crowd.leave(leaving, self._random.choice(list(Departure)))


@pytest.mark.parametrize(
    "seconds", [pytest.param(0, id="each-fault-once"), pytest.param(SECONDS, id="long", marks=pytest.mark.nightly)]
)
async def test_random_faults_lose_no_message_and_no_count(
    scene: Scene, capsys: pytest.CaptureFixture[str], seconds: float
) -> None:
    """Every socket that stayed has got everything, some of it more than once; every report and every count is true."""
    with capsys.disabled():
        sys.stdout.write(f"\nLOUDHAILER_CHAOS_SEED={SEED} LOUDHAILER_CHAOS_SECONDS={seconds:g}\n")
    queues = [*scene.system.deployment.shard_names, "broadcast", "partition", "outcome"]
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        await invariants.haunt(STALE)
        with visible_again_after(scene.system, 10, *queues):
            await Chaos(invariants, SEED).reign(seconds)
        await invariants.settled()
        await invariants.age()
        await invariants.publish("it is over")
        await invariants.hold(duplicates=None, gone=None, failed=None, repaired=True)
