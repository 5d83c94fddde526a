"""Division of a load, and the times that follow."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.errors import OperatorError
from tools.planner import work
from tools.planner.load import Load
from tools.planner.tables import warnings


@given(
    connections=st.integers(1_000, 5_000_000),
    accounts=st.integers(1, 20),
    rate=st.integers(1_000, 100_000),
    burst=st.integers(0, 50_000),
)
def test_the_floor_is_that_of_the_design(connections: int, accounts: int, rate: int, burst: int) -> None:
    """(N - bucket x A) / (rate x A) seconds, never below none; without the bucket N / (rate x A)."""
    load = Load(
        connections=connections,
        cells=accounts,
        accounts=accounts,
        posts_per_second=rate,
        burst=burst,
        broadcasts_per_hour=Decimal(0),
    )
    bucket = max(0.0, (connections - burst * accounts) / (rate * accounts))
    assert float(load.floor_seconds) == pytest.approx(connections / (rate * accounts))
    assert float(load.floor_seconds_with_bucket) == pytest.approx(bucket)
    assert load.floor_seconds_with_bucket <= load.floor_seconds <= load.lanes_seconds


def test_a_million_over_two_accounts() -> None:
    """The numbers that the README gives."""
    load = Load(connections=1_000_000, cells=2, accounts=2)
    assert load.floor_seconds == 50
    assert load.floor_seconds_with_bucket == Decimal("49.5")
    assert load.storm_seconds == 1_000
    assert (load.lanes, load.lane_rate) == (4, 2_450)
    assert [*warnings(load)] == []


@given(connections=st.integers(2, 3_000_000), cells=st.integers(1, 2))
def test_everybody_is_in_a_source_and_every_source_in_chunks(connections: int, cells: int) -> None:
    """As many as are connected, in chunks of at most 500."""
    load = Load(connections=connections, cells=cells, broadcasts_per_hour=Decimal(0))
    assert sum(load.cell_sources) == load.cell_connections
    assert connections <= load.chunks * 500
    assert load.cell_connections * 2 < load.cell_partitions * 1_000 or load.cell_partitions == 2_500


def test_the_chunks_of_a_large_broadcast_are_written_within_what_a_key_and_a_new_table_take() -> None:
    """One query's puts come one after the other, and each key has one query at most."""
    load = Load(connections=1_000_000)
    units = work.query_units_per_second(load)
    assert (load.queries, load.queries_of_a_key) == (8, 1)
    assert 100 < units < 1_000 / load.queries_of_a_key
    assert units * load.queries < 4_000
    assert load.chunk_row_bytes < 6 * 1_024


def test_cells_of_one_account_share_its_quota() -> None:
    """More cells make nothing faster."""
    shared, alone = Load(connections=100_000, cells=2, accounts=1), Load(connections=100_000)
    assert shared.floor_seconds == alone.floor_seconds
    assert (shared.lane_rate, alone.lane_rate) == (1_225, 2_450)


def test_the_lanes_are_as_many_as_are_deployed() -> None:
    """Whatever their work is, a broadcast has no more workers than that."""
    busy = work.concurrency(Load(connections=1_000_000, cells=2, accounts=2))
    assert busy["post_message"] == 4
    assert all(number >= 1 for number in busy.values())


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"connections": 0}, "--connections must be from 1 to 1,000,000,000; it is 0."),
        ({"connections": -5}, "--connections must be"),
        ({"connections": 10**12}, "--connections must be"),
        ({"cells": 0}, "--cells must be"),
        ({"accounts": 0}, "--accounts must be"),
        ({"accounts": 2}, "2 accounts have no use for 1 cells."),
        ({"connections": 1, "cells": 2}, "1 connections do not fill 2 cells."),
        ({"broadcasts_per_hour": Decimal(-1)}, "--broadcasts-per-hour must be"),
        ({"broadcasts_per_hour": Decimal("NaN")}, "--broadcasts-per-hour must be"),
        ({"broadcasts_per_hour": Decimal("Infinity")}, "--broadcasts-per-hour must be"),
        ({"broadcasts_per_hour": Decimal(100)}, "A broadcast takes 100.0 s at least: 100 an hour do not fit."),
        ({"message_bytes": 1}, "--message-bytes must be"),
        ({"message_bytes": 128 * 1024}, "--message-bytes makes a frame of"),
        ({"shards": 0}, "--shards must be"),
        ({"connection_minutes": 121}, "--connection-minutes must be"),
        ({"keep_alive_minutes": 11}, "--keep-alive-minutes must be"),
        ({"query_concurrency": 1}, "--query-concurrency must be"),
        ({"broadcast_keys": 0}, "--broadcast-keys must be"),
    ],
)
def test_numbers_that_cannot_be_are_a_sentence(numbers: dict[str, Any], sentence: str) -> None:
    """It names the option and what is legal."""
    with pytest.raises(OperatorError) as refused:
        Load(**{"connections": 1_000_000, **numbers})
    assert refused.value.problem.startswith(sentence)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"connections": 4_000_000}, "message_lifetime_seconds"),
        ({"connections": 1_000_000}, "Pings pass"),
        ({"posts_per_second": 100_000}, "use more shards"),
        ({"connections": 2_000_000}, "Use more cells"),
        ({"connections": 1_000_000, "broadcast_keys": 1}, "lower query_concurrency"),
        ({"connections": 1_000_000, "query_concurrency": 40}, "lower query_concurrency"),
        ({"connections": 100_000, "posts_per_second": 1_000_000, "shards": 32, "cells": 18}, "have it raised"),
    ],
)
def test_what_would_go_wrong_is_said(numbers: dict[str, Any], words: str) -> None:
    """Before it does."""
    load = Load(**{"connections": 10_000, "broadcasts_per_hour": Decimal(1), **numbers})
    assert any(words in warning for warning in warnings(load))
