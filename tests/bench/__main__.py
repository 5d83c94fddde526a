"""Run the benchmarks: `make bench`, or `make bench ONLY="sender lanes"`.

The page keeps the latest results of the benchmarks that did not run.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

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
    measured,
    page,
    query,
    sender,
    sleepers,
    stale_rows,
    storm,
    talking_room,
    urgent,
)
from tests.bench.measured import MeasuredSection
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


_PAGE = Project.of_this_code().root / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the chosen benchmarks, show their results, and renew them on the page if none failed."""
    options = _parse(arguments)
    terminal = Terminal()
    effort = Effort(options.rounds, options.seconds)
    load = machine.load()
    sections: dict[str, Section] = {}
    failures: list[str] = []
    for name in options.only:
        try:
            with terminal.bar(f"Measuring {name}") as bar:
                section = PARTS[name](effort, bar.update)
        except (BenchmarkError, OperatorError) as error:
            failures.append(f"{name} could not be measured: {error}")
            continue
        sections[name] = section
        for table in section.tables:
            terminal.show(page.on_terminal(table))
    terminal.show(page.on_terminal(page.targets_table([each for one in sections.values() for each in one.targets])))
    if failures:
        sys.exit("\n".join(failures))
    if options.keep:
        _renew_page(sections, load)
        terminal.say(f"Written: {_PAGE}")


def _renew_page(sections: Mapping[str, Section], load: float) -> None:
    stored = _PAGE.with_suffix(".json")
    now, on = f"{datetime.now(UTC):%Y-%m-%d}", f"{machine.description()}, load {load:.1f} before the run"
    new = {name: MeasuredSection(one, now, machine.revision(), on) for name, one in sections.items()}
    all_sections = measured.read(stored) | new
    in_order = [all_sections[name] for name in PARTS if name in all_sections]
    page.write(_PAGE, in_order, machine.versions(sender.versions()))
    measured.write(stored, all_sections, list(PARTS))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m tests.bench", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="the benchmarks to run")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of clients and functions")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of one measure")
    parser.add_argument("--no-page", dest="keep", action="store_false", help="show the results, and write no page")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
