"""Output where there is no terminal."""

import io
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tests.support.waiting import wait_until
from tools.console import Terminal, shortened
from tools.errors import OperatorError


def test_a_table_is_one_plain_line_a_row(terminal: Terminal, written: io.StringIO) -> None:
    """For `grep`, `awk` and CI logs."""
    table = Table("function", "sources")
    table.add_row("query", ", ".join(f"queue-{number}" for number in range(30)))
    terminal.show(table)
    header, row = written.getvalue().splitlines()
    assert header.split() == ["function", "sources"]
    assert row.split(", ")[-1].strip() == "queue-29"


def shown(table: Table, width: int) -> list[str]:
    """The lines of a table on a terminal of that width."""
    screen = io.StringIO()
    Terminal(output=Console(file=screen, force_terminal=True, no_color=True, width=width)).show(table)
    return [re.sub(r"\x1b\[[0-9;]*m", "", line).rstrip() for line in screen.getvalue().splitlines()]


@pytest.mark.parametrize("width", [60, 80])
def test_numbers_are_right_aligned_and_whole(width: int) -> None:
    """Digits below each other can be compared; text gives way to them."""
    table = Table("tenant", "connections", "why")
    table.add_row("gold", "1,000,000", "so many words " * 20)
    table.add_row("bronze", "7", "")
    lines = shown(table, width)
    assert all(len(line) <= width for line in lines)
    assert next(line for line in lines if "gold" in line).index("1,000,000") == next(
        line for line in lines if "bronze" in line
    ).index("        7")


@pytest.mark.parametrize("width", [60, 80])
def test_a_table_that_is_too_wide_is_shown_row_by_row(width: int) -> None:
    """The limits of a tenant are eleven numbers."""
    columns = [f"number{place:02d}" for place in range(11)]
    table = Table("tenant", *columns)
    table.add_row("gold", *("1000000" for _ in columns))
    table.add_row("t" * 64, *("7" for _ in columns))
    lines = shown(table, width)
    assert all(len(line) <= width for line in lines)
    assert [line.split() for line in lines].count(["number10", "1000000"]) == 1
    assert [line.split() for line in lines].count(["number10", "7"]) == 1
    assert not [line for line in lines if "…" in line]


def test_results_are_one_json_value_on_demand(terminal: Terminal, written: io.StringIO) -> None:
    """Numbers are numbers, an empty or unknown cell is null, and tables have their titles as keys."""
    terminal.collect_json()
    report = Table("status", "in flight", "seconds", "a note", title="The report")
    report.add_row("finished", "1,000", "0.25", "")
    report.add_row("accepted", "?", "", "[b] “x”")
    terminal.show("abc", name="broadcastId")
    terminal.show(report)
    terminal.show(Table("nothing"), name="none")
    terminal.finish()
    assert json.loads(written.getvalue()) == {
        "broadcastId": "abc",
        "theReport": [
            {"status": "finished", "inFlight": 1000, "seconds": 0.25, "aNote": None},
            {"status": "accepted", "inFlight": None, "seconds": None, "aNote": "[b] “x”"},
        ],
        "none": [],
    }


def test_an_id_of_digits_is_a_text_in_json(terminal: Terminal, written: io.StringIO) -> None:
    """Tenants may be called `007` and `True`, and accounts may begin with a zero."""
    terminal.collect_json()
    table = Table("tenant", "account", "connections")
    table.add_row("007", "012345678901", "7")
    table.add_row("True", "", "0")
    terminal.show(table)
    terminal.finish()
    assert json.loads(written.getvalue()) == [
        {"tenant": "007", "account": "012345678901", "connections": 7},
        {"tenant": "True", "account": None, "connections": 0},
    ]


def test_the_only_table_is_an_array_in_json(terminal: Terminal, written: io.StringIO) -> None:
    """For `jq '.[0]'`; a sentence is no part of the value."""
    terminal.collect_json()
    table = Table("tenant", "silo")
    table.add_row("gold", "True")
    terminal.show(table)
    terminal.finish()
    assert json.loads(written.getvalue()) == [{"tenant": "gold", "silo": True}]


def test_a_bar_prints_a_line_from_time_to_time(
    terminal: Terminal, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CI log must not be flooded, and must not be silent for a minute."""
    clock = [0.0]
    monkeypatch.setattr("tools.console.time.monotonic", lambda: clock[0])
    with terminal.bar("Applying") as bar:
        for done in range(100):
            clock[0] += 0.25
            bar.update(done, 100, "a [b] c")
    assert written.getvalue().splitlines() == [
        "Applying …",
        "Applying: 39/100 (a [b] c)",
        "Applying: 79/100 (a [b] c)",
        "✓ Applying (25.0 s)",
    ]


def test_a_bar_on_a_terminal_survives_any_text() -> None:
    """Resource addresses hold brackets, which rich would take for markup."""
    screen = io.StringIO()
    live = Terminal(progress=Console(file=screen, force_terminal=True, width=120))
    with live.bar("Applying [x]") as bar:
        bar.update(1, 2, 'aws_sqs_queue.work["shard-0"] [/]')
    assert "✓" in screen.getvalue()


def test_bars_of_several_threads_are_shown_below_each_other() -> None:
    """Each with its name and its own end; the display goes with the last of them."""
    screen = io.StringIO()
    live = Terminal(progress=Console(file=screen, force_terminal=True, width=120))
    both = threading.Barrier(2, timeout=10)

    def work(name: str) -> None:
        with live.bar(f"Applying {name}") as bar:
            both.wait()
            bar.update(1, 2, f"working on {name}")
            live.progress.print("in between")
            wait_until(lambda: f"working on {name}" in screen.getvalue())
            both.wait()

    with ThreadPoolExecutor(2) as pool:
        [*pool.map(work, ["north", "south"])]
    shown = Text.from_ansi(screen.getvalue()).plain.splitlines()
    assert [sum(line.startswith(f"✓ Applying {name} (") for line in shown) for name in ("north", "south")] == [1, 1]
    assert sum(line == "in between" for line in shown) == 2
    with live.bar("Applying again"):
        pass


def test_a_bar_that_fails_leaves_the_others_shown() -> None:
    """It disappears without a tick."""
    screen = io.StringIO()
    live = Terminal(progress=Console(file=screen, force_terminal=True, width=120))
    with live.bar("Applying north"):
        with pytest.raises(OperatorError), live.bar("Applying south"):
            raise OperatorError("no")
        assert "✓" not in screen.getvalue()
    assert "✓ Applying north" in Text.from_ansi(screen.getvalue()).plain


def test_a_failed_step_is_not_ticked_off(terminal: Terminal, written: io.StringIO) -> None:
    """The tick means success."""
    with pytest.raises(OperatorError), terminal.step("Starting"):
        raise OperatorError("no")
    assert written.getvalue() == ""


def test_an_error_is_followed_by_its_remedy(terminal: Terminal, written: io.StringIO) -> None:
    """Brackets in it are text."""
    terminal.fail(OperatorError("queue[0] is bad", "fix [it]"))
    assert written.getvalue().splitlines() == ["Error: queue[0] is bad", "Fix: fix [it]"]


def test_text_is_shortened_to_one_line() -> None:
    """Whatever it held."""
    assert shortened("a\n b\tc", 10) == "a b c"
    assert shortened("abcdef", 4) == "abc…"
