"""The bill of a month."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tools.planner.bill import _ACCESS_LINE, bill, per_million_deliveries, total
from tools.planner.load import Load

LOADS = st.builds(
    Load,
    connections=st.integers(2, 500_000),
    broadcasts_per_hour=st.integers(0, 26).map(Decimal),
    message_bytes=st.integers(2, 60_000),
    cells=st.integers(1, 2),
    keep_alive_minutes=st.sampled_from([0, 8, 9, 10]),
)


def test_a_silent_crowd_pays_for_its_connections() -> None:
    """A million connections are 43.2 billion minutes a month, at 25 cents a million."""
    load = Load(connections=1_000_000, broadcasts_per_hour=Decimal(0), keep_alive_minutes=0)
    items = {item.name: item for item in bill(load)}
    assert items["connection minutes"].units == 43_200_000_000
    assert items["connection minutes"].cost == 10_800
    assert items["gateway messages"].cost == 0
    assert items["egress"].cost == 0
    assert per_million_deliveries(load) is None


def test_a_frame_is_a_message_for_everyone() -> None:
    """720 broadcasts to a million, in one unit of 32 KB, or in two."""
    small = Load(connections=1_000_000, keep_alive_minutes=0)
    large = replace(small, message_bytes=33 * 1024)
    messages = [{item.name: item for item in bill(load)}["gateway messages"] for load in (small, large)]
    assert [item.units for item in messages] == [720_000_000, 1_440_000_000]
    assert [item.cost for item in messages] == [720, 1_352]


def test_the_pings_of_a_million_are_on_the_bill() -> None:
    """5.4 thousand million of them: a message each and its pong's, a line in the access log, and no invocation."""
    silent = Load(connections=1_000_000, broadcasts_per_hour=Decimal(0), keep_alive_minutes=0)
    without, with_pings = (
        {item.name: item for item in bill(load)} for load in (silent, replace(silent, keep_alive_minutes=8))
    )
    assert with_pings["gateway messages"].units == 10_800_000_000
    assert with_pings["gateway messages"].cost == 8_840
    assert 500 < with_pings["access logs"].cost - without["access logs"].cost < 700
    assert with_pings["Lambda requests"] == without["Lambda requests"]
    assert with_pings["Lambda's own log lines"].cost == 0


def test_traces_are_billed_only_where_they_are_enabled() -> None:
    """A twentieth of the invocations and one a second, at five dollars a million; by default none."""
    load = Load(connections=1_000_000)
    without, traced = ({item.name: item for item in bill(one)} for one in (load, replace(load, tracing=True)))
    assert without["X-Ray traces"].cost == 0
    invocations = traced["Lambda requests"].units
    assert traced["X-Ray traces"].units == 2_592_000 + (invocations - 2_592_000) / 20
    assert traced["X-Ray traces"].cost == (traced["X-Ray traces"].units - 100_000) * 5 / 10**6


def test_functions_that_are_kept_warm_are_on_the_bill() -> None:
    """One environment of each function on a broadcast's way, all month, in the hub alone; by default none."""
    load = Load(connections=1_000_000, cells=2)
    without, warm = ({item.name: item for item in bill(one)} for one in (load, replace(load, warm=True)))
    assert without["kept warm"].cost == 0
    assert 51 < warm["kept warm"].cost < 52


def test_messages_with_a_group_cost_more() -> None:
    """A tenth of a dollar a million: less than a cent for a broadcast to a million."""
    load = Load(connections=1_000_000)
    items = {item.name: item for item in bill(load)}
    assert 0 < items["SQS fair queues"].cost < Decimal("0.01") * 720
    assert items["SQS fair queues"].units < items["SQS requests"].units


def test_a_line_of_the_access_log_is_as_long_as_the_stage_writes_it() -> None:
    """The sample has the fields of the Terraform module, in its order or another."""
    stage = (Path(__file__).parents[3] / "terraform/modules/websocket_api/stage.tf").read_text()
    assert {*json.loads(_ACCESS_LINE)} == {*re.findall(r'(\w+) += "\$context', stage)}


def test_a_report_costs_about_a_cent_per_million_recipients() -> None:
    """As the design has it: a row and a tally for each chunk."""
    silent = Load(connections=1_000_000, broadcasts_per_hour=Decimal(0))
    writes = [
        {item.name: item for item in bill(load)}["DynamoDB writes"].cost
        for load in (silent, replace(silent, broadcasts_per_hour=Decimal(1)))
    ]
    assert Decimal("0.01") < (writes[1] - writes[0]) / 720 < Decimal("0.03")


def test_searching_for_a_million_expired_sessions_costs_a_few_dollars() -> None:
    """With connections and partitions less than ten a month; to read all sessions each minute would be 130 more."""
    load = Load(connections=1_000_000, broadcasts_per_hour=Decimal(0))
    assert 0 < {item.name: item for item in bill(load)}["reads of reconcile"].cost < 10


@given(LOADS)
def test_twice_the_crowd_costs_more(load: Load) -> None:
    """In every item that it pays for at all."""
    twice = replace(load, connections=2 * load.connections)
    assert total(bill(twice)) > total(bill(load))


@given(LOADS)
def test_one_more_broadcast_costs_more(load: Load) -> None:
    """Every item stays, or grows."""
    more = replace(load, broadcasts_per_hour=load.broadcasts_per_hour + 1)
    assert all(after.cost >= before.cost for before, after in zip(bill(load), bill(more), strict=True))
    assert total(bill(more)) > total(bill(load))


@given(LOADS)
def test_a_larger_message_never_costs_less(load: Load) -> None:
    """It leaves AWS, it takes units, it is in messages."""
    larger = replace(load, message_bytes=load.message_bytes + 40_000)
    assert total(bill(larger)) >= total(bill(load))


@given(LOADS.filter(lambda load: load.broadcasts_per_hour > 0))
def test_broadcasts_are_a_part_of_the_cost_of_a_delivery(load: Load) -> None:
    """The rest is what waiting connections cost."""
    million = per_million_deliveries(load)
    assert million is not None
    assert 0 < million[1] < million[0]
