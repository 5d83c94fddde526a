"""The page `docs/benchmarks.md`, and the same tables on the terminal."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table as RichTable

from tests.bench.results import ResultTable, Section, Target

_INTRODUCTION = """\
# Benchmarks

Written by `{command}` on {date}. All of it ran on this one machine, over 127.0.0.1: clients, servers, the local AWS and
the gateway stand-in share its cores. Compare the rows of a table with each other, not with another machine's.
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
    """Return what was to be reached, and whether it was."""
    rows = [(each.name, each.wanted, each.measured, "yes" if each.is_met else "**no**") for each in targets]
    return ResultTable("Targets", ("what", "wanted", "measured", "reached"), rows)


def write(path: Path, sections: Sequence[Section], facts: Sequence[ResultTable], *, command: str, date: str) -> None:
    """Write the page, and the charts beside it."""
    targets = [target for section in sections for target in section.targets]
    parts = [_INTRODUCTION.format(command=command, date=date)]
    parts += [_markdown(targets_table(targets), level=2)]
    for section in sections:
        parts.append(f"## {section.title}\n\n{section.method}\n")
        for chart in section.charts:
            path.with_name(f"{chart.name}.svg").write_text(chart.svg)
            parts.append(f"![{chart.caption}]({chart.name}.svg)\n")
        parts += [_markdown(table, level=3) for table in section.tables]
    parts += [_markdown(table, level=2) for table in facts]
    path.write_text("\n".join(parts))


def _markdown(table: ResultTable, *, level: int) -> str:
    ruler = ["---", *("--:" if len(table.columns) > 2 else "---" for _ in table.columns[1:])]
    lines = [table.columns, ruler, *table.rows]
    return f"{'#' * level} {table.title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)
