"""Clients that do not read: nobody waits for them, and a metric says that they are the cause."""

import asyncio
import json
import time
from collections import Counter
from typing import Any

import pytest

from loudhailer.ids import TenantId, nth_partition
from tests.e2e.scene import Guest, Scene
from tests.e2e.system import log_events
from tests.support.waiting import eventually

READERS = 20
PARTITIONS = 2
WAITING_SECONDS = 10.0
"""A bound on waiting: a sender that waits for sleepers takes up all the time that its function has, again and again."""

FIFTH_OF_A_BUFFER = "x" * 100_000
"""Twelve of these are more than may wait for a client that does not read, in the gateway and in the network."""


def metrics(scene: Scene, function: str, since: float) -> Counter[str]:
    """The sum of each metric that a function has counted since a time, in epoch seconds."""
    sums: Counter[str] = Counter()
    for event in log_events(scene.system, f"/aws/lambda/{scene.system.deployment.functions[function]}"):
        line: dict[str, Any] = json.loads(event) if event.startswith("{") else {}
        if line.get("_aws", {}).get("Timestamp", 0) >= since * 1_000:
            for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"]:
                sums[metric["Name"]] += sum(line[metric["Name"]])
    return sums


async def heard(guest: Guest, frame: dict[str, Any]) -> Any:
    """The answer to a frame that a guest sends."""
    guest.send_json(frame)
    return await guest.frame()


async def spread_sleepers(scene: Scene, tenant: TenantId, number: int) -> list[Guest]:
    """So many guests of one player, each in a session of its own; more if these would all be in one partition."""
    sleepers: list[Guest] = []
    partitions: set[str] = set()
    while len(sleepers) < number or len(partitions) < PARTITIONS:
        sleeper = await scene.connect(await scene.session(tenant, "sleeper"))
        connection = await sleeper.connection_id()
        partitions |= {
            row["partition"]["S"]
            for row in scene.system.connections_of(tenant)
            if row["connectionId"]["S"] == connection
        }
        sleepers.append(sleeper)
    return sleepers


@pytest.mark.parametrize("number", [2, 10])
async def test_clients_that_do_not_read_delay_no_other_tenant(scene: Scene, number: int) -> None:
    """Its broadcast, direct message, room and pool come through while posts to the sleepers are being refused."""
    began = time.time()

    async def refused() -> bool:
        return int((await scene.gateway("stats"))["posts"].get("429", 0)) > refusals

    refusals = int((await scene.gateway("stats"))["posts"].get("429", 0))
    asleep, awake = scene.tenant(), scene.tenant()
    for place in range(PARTITIONS):
        scene.system.deployment.partitions.open(nth_partition(asleep, place))
    readers = await scene.guests(await scene.session(asleep), READERS)
    sleepers = await spread_sleepers(scene, asleep, number)
    alice, bob = [await scene.connect(await scene.session(awake, name)) for name in ("alice", "bob")]
    for sleeper in sleepers:
        sleeper.stop_reading()
    broadcasts = [await scene.broadcast({"tenantId": asleep}, FIFTH_OF_A_BUFFER) for _ in range(12)]
    for reader in readers:
        assert {(await reader.frame())["id"] for _ in broadcasts} == set(broadcasts)
    await eventually(refused)
    for turn, sleeper in enumerate(sleepers):
        sleeper.send_json({"action": "PooledSQS", "message": turn})
        sleeper.send_json({"action": "sendmessage", "message": turn, "destinationPlayerId": "sleeper"})

    async with asyncio.timeout(WAITING_SECONDS):
        broadcast_id = await scene.broadcast({"tenantId": awake})
        assert [(await one.frame())["id"] for one in (alice, bob)] == [broadcast_id] * 2
        acknowledged = await heard(alice, {"action": "sendmessage", "message": "hello", "destinationPlayerId": "bob"})
        assert (acknowledged["status"], (await bob.frame())["message"]) == ("Message sent!", "hello")
        joined = await heard(alice, {"action": "joinroom", "roomKey": "lobby", "nickName": "Alice"})
        message = await heard(alice, {"action": "sendmessage", "roomKey": "lobby", "content": "anybody?"})
        assert (joined["action"], message["content"]) == ("joinroom", "anybody?")
        assert (await heard(bob, {"action": "PooledSQS", "message": 1}))["message"]["message"] == 1

    reports = [await scene.api.call("GET", f"/broadcast/{one}") for one in broadcasts]
    assert any(report["inFlight"] for report in reports)
    await eventually(lambda: metrics(scene, "post_message", began)["ClientBufferFull"])
