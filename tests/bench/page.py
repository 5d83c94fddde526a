"""The page `docs/benchmarks.md`, and the same tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table as RichTable

from tests.bench.measured import MeasuredSection
from tests.bench.results import ResultTable, Target

_INTRODUCTION = """\
# Benchmarks

Written by `make bench`; `make bench ONLY="sender lanes"` renews these two sections and keeps the others. All of a
section ran on one machine, over 127.0.0.1: clients, servers, the local AWS and the gateway stand-in share its cores.
Compare the rows of a table with each other, not with another machine's.
"""


def on_terminal(table: ResultTable) -> RichTable:
    """A table for the terminal."""
    rich = RichTable(title=table.title, title_justify="left")
    for index, column in enumerate(table.columns):
        rich.add_column(column, justify="right" if index and len(table.columns) > 2 else "left")
    for row in table.rows:
        rich.add_row(*row)
    return rich


def targets_table(targets: Sequence[Target]) -> ResultTable:
    """Return the goal, and whether it was reached."""
    rows = [(each.name, each.wanted, each.measured, "yes" if each.is_met else "**no**") for each in targets]
    return ResultTable("Targets", ("what", "wanted", "measured", "reached"), rows)


def write(path: Path, measured: Sequence[MeasuredSection], versions: ResultTable) -> None:
    """Write the page, and the charts beside it; the versions are those of the latest run."""
    targets = [target for one in measured for target in one.section.targets]
    parts = [_INTRODUCTION, _markdown(targets_table(targets), level=2)]
    for one in measured:
        parts.append(f"## {one.section.title}\n\n{one.section.method}\n")
        parts.append(f"Measured on {one.date} at {one.revision}: {one.machine}.\n")
        for chart in one.section.charts:
            path.with_name(f"{chart.name}.svg").write_text(chart.svg)
            parts.append(f"![{chart.caption}]({chart.name}.svg)\n")
        parts += [_markdown(table, level=3) for table in one.section.tables]
    parts.append(_markdown(versions, level=2))
    path.write_text("\n".join(parts))


def _markdown(table: ResultTable, *, level: int) -> str:
    ruler = ["---", *("--:" if len(table.columns) > 2 else "---" for _ in table.columns[1:])]
    lines = [table.columns, ruler, *table.rows]
    return f"{'#' * level} {table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)
