"""Cells and quotas for a deadline, and the time of a broadcast beside one that is carried out chunk by chunk."""

import heapq
from decimal import Decimal
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.broadcast.estimate import START_SECONDS
from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId
from tools.errors import OperatorError
from tools.planner.deadline import cells_in_time, quota_in_time
from tools.planner.load import Load


def carried_out(load: Load, broadcast: str) -> float:
    """The seconds of a broadcast in a cell whose workers take one chunk of their shard after the other.

    Sources are cut by `swarm`, chunks have the size that `query` gives them and the shard that it sends them to.
    """
    shards: list[list[int]] = [[] for _ in range(load.shards)]
    for source, recipients in enumerate(load.cell_sources):
        for number in range(ceil(recipients / load.chunk_size)):
            size = min(load.chunk_size, recipients - number * load.chunk_size)
            shards[shard_of(BroadcastId(broadcast), ChunkId(f"{source}.{number}"), load.shards)].append(size)
    ends = []
    for chunks in shards:
        workers = [0.0] * (load.lanes // load.shards)
        for size in chunks:
            heapq.heapreplace(workers, workers[0] + size / load.lane_rate)
        ends.append(max(workers))
    return START_SECONDS + max(ends)


@pytest.mark.parametrize("deadline", [2, 5, 30])
@pytest.mark.parametrize("connections", [100_000, 1_000_000])
def test_a_planned_time_is_that_of_a_broadcast_chunk_by_chunk(connections: int, deadline: float) -> None:
    """To a twentieth: some chunks are smaller than the plan takes them for."""
    load = cells_in_time(deadline, connections=connections, keep_alive_minutes=0)
    seconds = carried_out(load, "b1")
    assert seconds == pytest.approx(float(load.broadcast_seconds), rel=0.05)


@given(connections=st.integers(1, 3_000_000), deadline=st.floats(1, 300))
def test_a_deadline_gets_as_few_cells_as_meet_it(connections: int, deadline: float) -> None:
    """One cell fewer would not, or could not take the clients' frames."""
    try:
        load = cells_in_time(deadline, connections=connections, broadcasts_per_hour=Decimal(0))
    except OperatorError:
        assert connections / (9_800 * 1_000) + START_SECONDS > deadline * 0.9
        return
    assert load.broadcast_seconds <= Decimal(str(deadline))
    assert load.accounts == load.cells
    if load.cells > 1:
        fewer = load.cells - 1
        try:
            slower = Load(connections=connections, cells=fewer, accounts=fewer, broadcasts_per_hour=Decimal(0))
        except OperatorError:
            return
        assert slower.broadcast_seconds > Decimal(str(deadline))


def test_a_deadline_gets_the_lowest_quota_that_meets_it() -> None:
    """In thousands; the bucket is half of it, as API Gateway has it."""
    load = quota_in_time(20, connections=1_000_000, cells=2, accounts=2)
    assert (load.posts_per_second, load.burst) == (29_000, 14_500)
    lower = Load(connections=1_000_000, cells=2, accounts=2, posts_per_second=28_000, burst=14_000)
    assert load.broadcast_seconds <= 20 < lower.broadcast_seconds


def test_a_crowd_that_comes_back_asks_the_hub_twice_each() -> None:
    """As clients are let in: 96% of the accounts' rates together."""
    load = Load(connections=1_000_000, cells=20, accounts=20)
    assert round(load.admission_seconds) == 104
    assert round(load.session_requests_per_second) == 19_206
