"""Output where there is no terminal."""

import io

import pytest
from rich.console import Console
from rich.table import Table

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
