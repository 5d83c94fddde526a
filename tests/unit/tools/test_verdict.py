"""The demonstration's verdict."""

import io
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from loudhailer.broadcast.report import Report
from loudhailer.ids import HUB, CellName, TenantId
from tools.client.http import HttpApi
from tools.console import Terminal
from tools.demo.performance import Performance
from tools.demo.scenario import Scenario
from tools.demo.verdict import (
    BroadcastResult,
    CountResult,
    broadcast_table,
    cell_table,
    count_table,
    percentile,
)
from tools.operations.census import TenantCount

REPORT = Report(
    status="finished",
    expected=3,
    dispatched=3,
    delivered=3,
    gone=0,
    failed=0,
    published_at=1_000,
    finished_at=2_000,
    by_account={"111111111111": 3},
)
RESULT = BroadcastResult("everyone", 3, 3, 0, 0, [5.0, 7.0, 40.0], REPORT)
NORTH = CellName("north")
PART = replace(REPORT, expected=1, dispatched=1, delivered=1)
ON_TWO_CELLS = replace(
    RESULT,
    report=replace(REPORT, by_cell={HUB: replace(PART, expected=2, dispatched=2, delivered=2), NORTH: PART}),
    by_cell={HUB: 2, NORTH: 1},
)
COUNT = CountResult("half left", 5, TenantCount(TenantId("red"), partitions=2, rows=5, counted=5, reserved=5))


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1.0), (0.01, 1.0), (0.5, 50.0), (0.501, 51.0), (0.99, 99.0), (1.0, 100.0)]
)
def test_a_percentile_is_the_nearest_rank(share: float, expected: float) -> None:
    """The values are 1 to 100, in any order."""
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


def test_a_percentile_of_one_value_is_that_value() -> None:
    """A session may have one socket."""
    assert percentile([3.0], 0.5) == percentile([3.0], 0.99) == 3.0


def test_a_percentile_of_nothing_is_no_number() -> None:
    """Nothing arrived, so there is no latency."""
    assert math.isnan(percentile([], 0.5))


def test_a_correct_delivery_has_no_faults() -> None:
    """Duplicates are allowed: delivery is at least once."""
    assert replace(RESULT, duplicates=2).faults == []
    assert ON_TWO_CELLS.faults == replace(RESULT, by_cell={HUB: 3}).faults == []
    assert COUNT.faults == []


@pytest.mark.parametrize(
    ("result", "fault"),
    [
        (replace(RESULT, received=2), "The broadcast to everyone lost 1 of 3 frames."),
        (
            replace(ON_TWO_CELLS, by_cell={HUB: 1, NORTH: 1}),
            "The report of the broadcast to everyone says 2 delivered by hub, not 1.",
        ),
        (
            replace(ON_TWO_CELLS, by_cell={HUB: 2, CellName("south"): 1}),
            "The report of the broadcast to everyone says 0 delivered by south, not 1.",
        ),
        (replace(RESULT, strays=1), "The broadcast to everyone reached 1 sockets it was not for."),
        (
            replace(RESULT, report=replace(REPORT, status="delivering")),
            "The report of the broadcast to everyone is delivering, not finished.",
        ),
        (
            replace(RESULT, report=replace(REPORT, delivered=2, gone=1)),
            "The report of the broadcast to everyone says 3 dispatched and 2 delivered of 3.",
        ),
    ],
)
def test_an_incorrect_broadcast_is_reported(result: BroadcastResult, fault: str) -> None:
    """One lost frame fails the demonstration, and so does a wrong report."""
    assert result.faults == [fault]


def test_a_socket_that_moves_may_receive_a_broadcast_on_both_cells() -> None:
    """While a cell drains: one of the hub's two sockets has moved, and its report must not have more than both."""
    moved = replace(ON_TWO_CELLS, by_cell={HUB: 1, NORTH: 1}, moved=1)
    assert moved.faults == []
    twice = replace(
        PART, dispatched=4, delivered=4, by_cell={HUB: replace(PART, delivered=2), NORTH: replace(PART, delivered=2)}
    )
    assert replace(moved, report=twice).faults == []
    assert replace(moved, report=replace(twice, dispatched=5)).faults == [
        "The report of the broadcast to everyone says 5 dispatched and 4 delivered of 3 to 4."
    ]
    three = {HUB: replace(PART, delivered=3), NORTH: PART}
    assert replace(moved, report=replace(twice, by_cell=three)).faults == [
        "The report of the broadcast to everyone says 3 delivered by hub, not 1 to 2."
    ]
    assert replace(moved, report=replace(twice, delivered=2)).faults == [
        "The report of the broadcast to everyone says 4 dispatched and 2 delivered of 3 to 4."
    ]


@pytest.mark.parametrize(
    ("count", "part"),
    [
        (replace(COUNT.count, rows=6), "6 rows"),
        (replace(COUNT.count, counted=6), "6 counted"),
        (replace(COUNT.count, reserved=6), "6 reserved"),
    ],
)
def test_a_count_off_by_one_is_reported(count: TenantCount, part: str) -> None:
    """Whichever of the three it is."""
    (fault,) = replace(COUNT, count=count).faults
    assert fault.startswith("Half left, tenant red has 5 sockets, but ")
    assert part in fault


def test_a_cell_without_sockets_is_reported(terminal: Terminal) -> None:
    """All sums are right without it, so nothing else would show it."""
    cells: Any = SimpleNamespace(all_cells=[HUB, NORTH], http_api=lambda: HttpApi("http://127.0.0.1:1"))
    performance = Performance(Scenario.of(10, 2), cells, terminal, used={HUB, NORTH})
    assert performance.faults == []
    performance.used = {HUB}
    assert performance.faults == [
        "The cell north got no socket. Of a few, that may be chance: try more with --sockets."
    ]


def test_the_tables_show_every_number(terminal: Terminal, written: io.StringIO) -> None:
    """One plain line a broadcast, and one a tenant and moment."""
    terminal.show(broadcast_table([replace(RESULT, received=2, duplicates=1)]))
    terminal.show(count_table([COUNT]))
    terminal.show(cell_table([ON_TWO_CELLS]))
    rows = [line.split() for line in written.getvalue().splitlines()]
    assert ["everyone", "north", "1", "1", "0", "0", "finished"] in rows
    assert ["everyone", "3", "2", "1", "1", "0", "7", "40", "40", "3", "finished"] in rows
    assert ["half", "left", "red", "5", "5", "5", "5", "2"] in rows
