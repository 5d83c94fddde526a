"""`loudhailer logs`."""

import time
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from tools.cli.workplace import Workplace
from tools.operations.cells import cell_named
from tools.operations.logs import LogReader, chosen, recorded, rendered

if TYPE_CHECKING:
    from rich.text import Text


def logs(
    context: typer.Context,
    function: Annotated[str | None, typer.Argument(help="One function; default: all.")] = None,
    *,
    cell: Annotated[str | None, typer.Option(help="A further cell, in place of the hub.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    since: Annotated[int, typer.Option(min=1, help="Begin so many minutes ago.")] = 15,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="The newest lines only.")] = 200,
) -> None:
    """Show the functions' logs, merged by time."""
    workplace = Workplace.of(context)
    deployment = cell_named(workplace.deployment(), cell)
    reader = LogReader(deployment.client("logs"), chosen(deployment.functions, function))
    start = int((time.time() - 60 * since) * 1000)
    batches = reader.follow(start) if follow else iter([reader.since(start)])
    written = recorded if workplace.terminal.shows_json else rendered
    newest: deque[str | Text] = deque(written(next(batches)), lines)
    for line in newest:
        workplace.terminal.write(line)
    for line in written(chain.from_iterable(batches)):
        workplace.terminal.write(line)
