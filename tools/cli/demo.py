"""`loudhailer demo`: everything at once, on a stack of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated

import typer

from tools.cli.options import NoTemplate, Package, templates
from tools.cli.workplace import Workplace, run
from tools.demo.performance import Performance
from tools.demo.scenario import Scenario
from tools.demo.verdict import broadcast_table, cell_table, count_table
from tools.errors import OperatorError
from tools.interruptions import undisturbed
from tools.stack.cells import CELL_ACCOUNTS, cell_variables
from tools.stack.deployment import Deployment
from tools.stack.lifecycle import Packaging, Stack

_DEMO_VARIABLES = {"connections": {"connections_per_partition": 50}}
"""Small partitions, so that several are counted and used by a broadcast."""


_DEMO = "demo"


_MOST_FAULTS = 20


def demo(
    context: typer.Context,
    *,
    sockets: Annotated[int, typer.Option(min=10, max=20_000, help="How many sockets connect.")] = 500,
    cells: Annotated[
        int, typer.Option(min=1, max=1 + len(CELL_ACCOUNTS), help="Cells, each in an AWS account of its own.")
    ] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running for a closer look.")] = False,
    package: Package = Packaging.ZIP,
    no_template: NoTemplate = False,
) -> None:
    """Show it all on a stack of its own: sockets, three broadcasts, departures; every frame and count is checked."""
    workplace = Workplace.of(context)
    started = time.monotonic()
    variables = _DEMO_VARIABLES | cell_variables(cells)
    stack = replace(workplace.stack(_DEMO, **variables), templates=templates(unwanted=no_template))
    with workplace.held(stack), _removed_in_the_end(workplace, stack, keep=keep):
        stack.clear()
        stack.up(packaging=package)
        performance = Performance(Scenario.of(sockets, cells), Deployment.of(stack.state()), workplace.terminal)
        run(performance.run())
        workplace.terminal.show(broadcast_table(performance.broadcasts))
        if cells > 1:
            workplace.terminal.show(cell_table(performance.broadcasts))
        workplace.terminal.show(count_table(performance.counts))
        faults = performance.faults
        for fault in faults[:_MOST_FAULTS]:
            workplace.terminal.say(fault)
        if faults:
            raise OperatorError(f"{len(faults)} findings are not as they must be.", "Run with --keep and look closer.")
    workplace.terminal.show(f"Every frame arrived and every count is right, in {time.monotonic() - started:.0f} s.")


@contextmanager
def _removed_in_the_end(workplace: Workplace, stack: Stack, *, keep: bool) -> Iterator[None]:
    """Remove the stack after the block, whatever happens in it; of one that failed, the logs stay."""
    keep_logs = False
    try:
        yield
    except Exception:
        keep_logs = True
        raise
    finally:
        if keep:
            again = f"`loudhailer --stack {_DEMO}"
            workplace.terminal.say(f"The stack is kept: {again} status`, {again} logs`; remove it by {again} down`.")
        else:
            with undisturbed(), workplace.terminal.step("Removing the stack"):
                stack.down(keep_logs=keep_logs)
