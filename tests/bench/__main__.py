"""Runs the benchmarks: `make bench`, or `python -m tests.bench --only sender`."""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.bench import (
    accounting,
    cells,
    cold_start,
    connect,
    crowd_leaves,
    direct,
    echo,
    end_to_end,
    lanes,
    machine,
    page,
    query,
    sender,
    sleepers,
    stale_rows,
    storm,
    talking_room,
    urgent,
)
from tests.bench.processes import BenchmarkError
from tests.bench.results import ReportProgress, Section
from tools.console import Terminal
from tools.errors import OperatorError
from tools.stack.project import Project


@dataclass(frozen=True, slots=True)
class Effort:
    """Number of rounds, and length, of each measurement."""

    rounds: int
    seconds: float


PARTS: Mapping[str, Callable[[Effort, ReportProgress], Section]] = {
    "sender": lambda effort, progress: sender.measure(effort.rounds, effort.seconds, progress),
    "lanes": lambda _, progress: lanes.measure(progress),
    "query": lambda effort, progress: query.measure(effort.rounds, effort.seconds, progress),
    "accounting": lambda effort, progress: accounting.measure(effort.rounds, effort.seconds, progress),
    "cold_start": lambda _, progress: cold_start.measure(progress),
    "end_to_end": lambda _, progress: end_to_end.measure(progress),
    "connect": lambda _, progress: connect.measure(progress),
    "direct": lambda _, progress: direct.measure(progress),
    "echo": lambda _, progress: echo.measure(progress),
    "crowd_leaves": lambda _, progress: crowd_leaves.measure(progress),
    "stale_rows": lambda _, progress: stale_rows.measure(progress),
    "sleepers": lambda _, progress: sleepers.measure(progress),
    "talking_room": lambda _, progress: talking_room.measure(progress),
    "urgent": lambda _, progress: urgent.measure(progress),
    "storm": lambda _, progress: storm.measure(progress),
    "cells": lambda _, progress: cells.measure(progress),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for, show it, and write the page if nothing failed."""
    options = _parse(arguments)
    terminal = Terminal()
    effort = Effort(options.rounds, options.seconds)
    facts = [machine.machine()]
    sections: list[Section] = []
    failures: list[str] = []
    for name in options.only:
        try:
            with terminal.bar(f"Measuring {name}") as bar:
                section = PARTS[name](effort, bar.update)
        except (BenchmarkError, OperatorError) as error:
            failures.append(f"{name} could not be measured: {error}")
            continue
        sections.append(section)
        for table in section.tables:
            terminal.show(page.on_terminal(table))
    terminal.show(page.on_terminal(page.targets_table([each for section in sections for each in section.targets])))
    if failures:
        sys.exit("\n".join(failures))
    if path := options.page or (_page() if options.only == list(PARTS) else None):
        facts.append(machine.versions(sender.versions()))
        command = "make bench" if arguments is None and len(sys.argv) == 1 else "python -m tests.bench"
        page.write(path, sections, facts, command=command, date=f"{datetime.now(UTC):%Y-%m-%d}")
        terminal.say(f"Written: {path}")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.bench", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="the benchmarks to run")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of clients and functions")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of one measure")
    parser.add_argument("--page", type=Path, help="where the page is written; without it only a whole run writes one")
    return parser.parse_args(arguments)


def _page() -> Path:
    return Project.of_this_code().root / "docs" / "benchmarks.md"


if __name__ == "__main__":
    main()
