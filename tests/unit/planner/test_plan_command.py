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
    """Its connections cost all the same."""
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
