"""`loudhailer plan` as an operator meets it."""

import pytest
from typer.testing import CliRunner, Result

from tools.cli.main import app


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, ["plan", *arguments])


def test_a_plan_needs_no_stack_and_shows_times_parts_and_costs() -> None:
    """The example of the documentation."""
    result = run("--connections", "1000000", "--cells", "2", "--broadcasts-per-hour", "1", "--message-bytes", "512")
    assert result.exit_code == 0
    words = " ".join(result.output.split())
    for part in (
        "floor 56.7 ",
        "floor, buckets full 56.2 ",
        "all connect again 1,000.0 ",
        "2 shards x 2, each 2,450 posts a second",
        "connection minutes 43,200,000,000 10,800.00",
        "X-Ray traces 0 0.00",
        "access logs",
        "Lambda's own log lines 0 0.00",
        "post_message",
        "egress",
        "total",
        "Per million deliveries",
    ):
        assert part in words


def test_the_talks_figure_is_shown_before_and_after() -> None:
    """To the cent."""
    result = run("talk")
    assert result.exit_code == 0
    assert "13,385.15" in result.output
    assert "With what it leaves out" in result.output


def test_a_silent_crowd_has_no_price_per_delivery() -> None:
    """Its connections cost nevertheless."""
    result = run("--connections", "10", "--broadcasts-per-hour", "0")
    assert result.exit_code == 0
    assert "connection minutes" in result.output
    assert "Per million" not in result.output


def test_warnings_are_shown_below_the_plan() -> None:
    """A million on one account ping too often."""
    assert "Note: Pings pass a fifth of the quota" in run("--connections", "1000000").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["--connections", "0"],
        ["--connections", "-1"],
        ["--connections", "9" * 40],
        ["--broadcasts-per-hour", "nan"],
        ["--broadcasts-per-hour", "1e300"],
        ["--message-bytes", "200000"],
        ["--deadline", "5", "--connections", "0"],
        ["--deadline", "5", "--cells", "0"],
        ["talk", "--room-size", "0"],
    ],
)
def test_impossible_numbers_are_refused_with_a_reason(arguments: list[str]) -> None:
    """With the option's name, and nothing else is shown."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert arguments[-2] in result.output
    assert " must be from " in result.output
    assert "total" not in result.output


def test_a_deadline_is_answered_with_cells_quotas_and_cost() -> None:
    """The example of the issue: a million within five seconds."""
    result = run("--connections", "1000000", "--deadline", "5")
    assert result.exit_code == 0
    words = " ".join(result.output.split())
    for part in (
        "Everyone within 5 s",
        "cells 24 41,667 connections each, in 24 accounts",
        "a broadcast takes 4.4 ",
        "requests a second, each account 10,000 the default",
        "new connections a second, each account 500 the default, quota L-9ED1E49A: all are back after 87 s",
        "they count in the hub's quota, ask for it: L-8A5B8E43; hub_cell.weight = 0",
        "USD a month",
        "connection minutes 43,200,000,000 10,800.00",
    ):
        assert part in words


def test_a_deadline_of_given_cells_is_answered_with_their_quota() -> None:
    """In thousands of requests a second."""
    words = " ".join(run("--connections", "1000000", "--cells", "2", "--deadline", "20").output.split())
    assert "cells 2 500,000 connections each" in words
    assert "requests a second, each account 29,000 ask for it: quota L-8A5B8E43" in words
    assert "they count in the hub's quota; hub_cell.weight = 0" in words


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--deadline", "0"], "--deadline must be above 0.15 and at most 3,600 seconds; it is 0."),
        (["--deadline", "-5"], "--deadline must be above 0.15"),
        (["--deadline", "0.15"], "--deadline must be above 0.15"),
        (["--deadline", "nan"], "--deadline must be above 0.15"),
        (["--deadline", "inf"], "--deadline must be above 0.15"),
        (["--deadline", "1e300"], "--deadline must be above 0.15"),
        (["--deadline", "3601"], "--deadline must be above 0.15"),
        (["--deadline", "0.16"], "With 1,000 cells a broadcast takes 0.25 s; the deadline is 0.16."),
        (["--deadline", "0.2", "--cells", "1"], "With 1,000,000 posts a second a broadcast takes 1."),
        (["--deadline", "5", "--accounts", "2"], "2 accounts have no use for 1 cells."),
        (["--deadline", "5", "--cells", "2", "--burst", "9"], "--deadline finds the cells or the quota, and both are"),
        (["--deadline", "5", "--accounts", "2", "--posts-per-second", "9"], "--deadline finds the cells or the quota"),
    ],
)
def test_an_impossible_deadline_is_refused_with_a_reason(arguments: list[str], sentence: str) -> None:
    """The reason names the least and the most, or the time that it takes; nothing is planned."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert sentence in " ".join(result.output.split())
    assert "total" not in result.output
