"""All faults together, at random, for a while; then everything must be as it should.

`LOUDHAILER_CHAOS_SECONDS` says for how long, `LOUDHAILER_CHAOS_SEED` which faults: a run prints its seed, and the same
seed makes the same choices, though not at the same moments.
"""

import asyncio
import os
import random
import sys
import time
from contextlib import ExitStack

import pytest

from tests.e2e.faults import Workers, paused
from tests.e2e.invariants import Invariants
from tests.e2e.scene import Scene
from tools.client.socket import Departure

SECONDS = float(os.environ.get("LOUDHAILER_CHAOS_SECONDS", "30"))
SEED = int(os.environ.get("LOUDHAILER_CHAOS_SEED", random.SystemRandom().randrange(10**6)))

CROWD = 40
STALE = 100
VICTIMS = ("swarm", "query", "post_message", "settle", "accounting")


class Chaos:
    """Breaks things at random, and mends what would stay broken."""

    def __init__(self, invariants: Invariants, seed: int) -> None:
        self._invariants = invariants
        self._scene: Scene = invariants.scene
        self._random = random.Random(seed)  # noqa: S311  # it is to be repeatable
        self._workers = [Workers(self._scene.system, function) for function in VICTIMS]
        self._queues = [*self._scene.system.deployment.shard_names, "partition", "outcome"]
        self._pause = ExitStack()
        self._actions = {
            self._publish: 6,
            self._kill: 4,
            self._change_faults: 4,
            self._pause_or_resume: 2,
            self._repeat_chunk: 2,
            self._join: 1,
            self._leave: 1,
        }

    async def reign(self, seconds: float) -> None:
        """Break things for so long; afterwards nothing is broken any more."""
        ends = time.monotonic() + seconds
        actions, weights = zip(*self._actions.items(), strict=True)
        with self._pause:
            while time.monotonic() < ends:
                (act,) = self._random.choices(actions, weights)
                await act()
                await asyncio.sleep(self._random.uniform(0, 0.6))
        await self._scene.faults()

    async def _publish(self) -> None:
        await self._invariants.publish(self._random.random())

    async def _kill(self) -> None:
        await asyncio.to_thread(self._random.choice(self._workers).kill)

    async def _change_faults(self) -> None:
        rates = {
            name: self._random.choice((0.0, 0.0, 0.1, 0.2))
            for name in ("error_rate", "reset_rate", "lost_response_rate", "throttle_rate")
        }
        seed = self._random.randrange(10**6)
        await self._scene.faults(**rates, drop_disconnect=0.5, latency_ms=self._random.choice((0.0, 30.0)), seed=seed)

    async def _pause_or_resume(self) -> None:
        self._pause.close()
        self._pause.enter_context(paused(self._scene.system, self._random.choice(self._queues)))

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


async def test_chaos(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    """Every socket that stayed has got everything, some of it more than once; every report and every count is true."""
    with capsys.disabled():
        sys.stdout.write(f"\nLOUDHAILER_CHAOS_SEED={SEED} LOUDHAILER_CHAOS_SECONDS={SECONDS:g}\n")
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        await invariants.haunt(STALE)
        await Chaos(invariants, SEED).reign(SECONDS)
        await invariants.settled()
        await invariants.age()
        await invariants.publish("it is over")
        await invariants.hold(duplicates=None, gone=None, failed=None, repaired=True)
