"""Division of a load, and the times that follow."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.checkout import ROOT
from tools.errors import OperatorError
from tools.planner import work
from tools.planner.load import Load
from tools.planner.tables import warnings
from tools.planner.work import assumed_per_second, for_tenants


@given(
    connections=st.integers(1_000, 5_000_000),
    accounts=st.integers(1, 20),
    rate=st.integers(1_000, 100_000),
    burst=st.integers(0, 50_000),
)
def test_the_floor_is_that_of_the_design(connections: int, accounts: int, rate: int, burst: int) -> None:
    """(N - bucket x A) / (left x A) seconds, never below none; `left` is the rate without what clients send."""
    of_clients = connections / accounts * (1 / (60 * 8) + 2 / (60 * 115))
    rate_of_posts = rate - of_clients
    assume(rate_of_posts > 1)
    load = Load(
        connections=connections,
        cells=accounts,
        accounts=accounts,
        posts_per_second=rate,
        burst=burst,
        broadcasts_per_hour=Decimal(0),
    )
    bucket = max(0.0, (connections - burst * accounts) / (rate_of_posts * accounts))
    assert float(load.floor_seconds) == pytest.approx(connections / (rate_of_posts * accounts))
    assert float(load.floor_seconds_with_bucket) == pytest.approx(bucket)
    assert load.floor_seconds_with_bucket <= load.floor_seconds <= load.lanes_seconds


def test_a_million_over_two_accounts_has_the_figures_of_readme() -> None:
    """The numbers that the README gives."""
    load = Load(connections=1_000_000, cells=2, accounts=2)
    assert round(load.floor_seconds, 1) == Decimal("56.7")
    assert round(load.floor_seconds_with_bucket, 1) == Decimal("56.2")
    assert load.storm_seconds == 1_000
    assert (load.lanes, load.lane_rate) == (4, 2_450)
    assert [*warnings(load)] == []


def test_the_pings_of_a_million_are_in_the_floor() -> None:
    """100 seconds of posts become 131: 2,083 pings a second, and 145 connects with a session each, share the quota."""
    load = Load(connections=1_000_000)
    assert round(load.floor_seconds, 1) == Decimal("131.1")
    assert load.lanes_seconds == load.floor_seconds
    silent = Load(connections=1_000_000, keep_alive_minutes=0)
    assert round(silent.floor_seconds, 1) == Decimal("103.0")


@given(connections=st.integers(2, 3_000_000), cells=st.integers(1, 2))
def test_every_recipient_is_in_a_source_and_every_source_in_chunks(connections: int, cells: int) -> None:
    """As many as are connected, in chunks of at most 500."""
    load = Load(connections=connections, cells=cells, broadcasts_per_hour=Decimal(0))
    assert sum(load.cell_sources) == load.cell_connections
    assert connections <= load.chunks * 500
    assert load.cell_connections * 2 < load.cell_partitions * 1_000 or load.cell_partitions == 2_500


def test_the_chunks_of_a_large_broadcast_are_written_within_the_quotas_of_a_key_and_a_new_table() -> None:
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
        ({"broadcasts_per_hour": Decimal(100)}, "A broadcast takes 131.1 s at least: 100 an hour do not fit."),
        ({"message_bytes": 1}, "--message-bytes must be"),
        ({"message_bytes": 128 * 1024}, "--message-bytes makes a frame of"),
        ({"keep_alive_minutes": 1}, "Clients send 16,957 requests a second to an account that takes 10,000"),
        ({"shards": 0}, "--shards must be"),
        ({"connection_minutes": 121}, "--connection-minutes must be"),
        ({"keep_alive_minutes": 11}, "--keep-alive-minutes must be"),
        ({"query_concurrency": 1}, "--query-concurrency must be"),
        ({"broadcast_keys": 0}, "--broadcast-keys must be"),
        ({"tenants": 0}, "--tenants must be"),
        ({"messages_per_second": -1}, "--messages-per-second must be"),
        ({"room_changes_per_second": -1}, "--room-changes-per-second must be"),
    ],
)
def test_impossible_numbers_are_refused_with_a_reason(numbers: dict[str, Any], sentence: str) -> None:
    """The reason names the option and the legal values."""
    with pytest.raises(OperatorError) as refused:
        Load(**{"connections": 1_000_000, **numbers})
    assert refused.value.problem.startswith(sentence)


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ({"connections": 2_500_000}, "broadcast.lifetime_seconds"),
        ({"connections": 1_000_000}, "Pings pass"),
        ({"posts_per_second": 100_000}, "use more shards"),
        ({"connections": 2_000_000}, "Use more cells"),
        ({"connections": 1_000_000, "broadcast_keys": 1}, "lower broadcast.query_concurrency"),
        ({"connections": 1_000_000, "query_concurrency": 40}, "lower broadcast.query_concurrency"),
        ({"connections": 1_000_000, "query_concurrency": 24}, "a new table takes 12,000: warm the table up"),
        ({"connections": 1_000_000, "query_concurrency": 200}, "A table takes 40,000 units a second by DynamoDB's"),
        (
            {"messages_per_second": 500, "tenants": 100_000},
            "STS answers 600 calls a second for an account; 1,001 would",
        ),
        ({"room_changes_per_second": 1_001}, "A room takes 1,000 joins and leaves a second"),
        ({"connections": 100_000, "posts_per_second": 1_000_000, "shards": 32, "cells": 18}, "have it raised"),
    ],
)
def test_exceeded_limits_cause_warnings(numbers: dict[str, Any], words: str) -> None:
    """Before it does."""
    load = Load(**{"connections": 10_000, "broadcasts_per_hour": Decimal(1), **numbers})
    assert any(words in warning for warning in warnings(load))


def test_connects_of_a_thousand_tenants_take_no_role() -> None:
    """500 a second asked STS 436 times a second, when `connect` was one of the functions that act as one tenant."""
    load = Load(connections=1_000_000, tenants=1_000)
    assert "connect" not in {work.function for work, _ in for_tenants(load)}
    assert round(assumed_per_second(load)) == 2  # ends of sessions


@pytest.mark.parametrize(
    ("messages", "tenants", "assumed"),
    [(1, 1, 0), (1_000, 1_000, 34), (10_000, 1_000, 315), (1_000, 4_096, 138), (1_000, 8_192, 1_211)],
)
def test_roles_are_assumed_when_credentials_expire_and_for_tenants_outside_the_cache(
    messages: int, tenants: int, assumed: int
) -> None:
    """Each environment has 4,096 tenants' credentials, for 45 minutes; a message is handled by two functions."""
    load = Load(connections=1_000_000, messages_per_second=messages, tenants=tenants)
    assert round(assumed_per_second(load)) == assumed


def test_joins_and_ends_of_sessions_take_roles() -> None:
    """`join_room` and `presence` act as one tenant for each change of a room, `end_session` for each session."""
    load = Load(connections=1_000_000, room_changes_per_second=500, tenants=100_000)
    ends = Decimal(1_000_000) / (115 * 60)
    assert round(assumed_per_second(load) - ends) == 2 * 500


def test_a_subscription_takes_one_role() -> None:
    """`subscribe` acts as the tenant of the frame."""
    load = Load(connections=10_000, subscriptions_per_second=500, tenants=1_000_000)
    assert round(assumed_per_second(load) - Decimal(10_000) / (115 * 60)) == 500


def test_a_message_to_a_channel_takes_one_role() -> None:
    """`publish_frame` acts as the tenant of the frame."""
    load = Load(connections=10_000, channel_messages_per_second=500, tenants=1_000_000)
    assert round(assumed_per_second(load) - Decimal(10_000) / (115 * 60)) == 500


def test_every_function_that_acts_as_one_tenant_is_planned_with() -> None:
    """Messages of `echo` count as direct; frames without meaning, of `default_route`, are not in a plan."""
    acting = {path.parent.name for path in ROOT.glob("functions/*/*/handler.py") if "PerTenant(" in path.read_text()}
    planned = {work.function for work, _ in for_tenants(Load(connections=1))}
    assert acting == planned | {"echo", "default_route"}


def test_a_message_takes_two_roles_at_most() -> None:
    """However many tenants there are."""
    load = Load(connections=10_000, messages_per_second=10, tenants=1_000_000)
    ends = 10_000 / (115 * 60)
    assert float(assumed_per_second(load)) - ends <= 20
