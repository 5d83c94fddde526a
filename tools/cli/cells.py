"""The command that empties a cell."""

from typing import Annotated

import typer
from rich.table import Table

from tools.cli.workplace import Workplace
from tools.errors import OperatorError
from tools.operations.draining import MOST_A_SECOND, Draining, order_drain, overlap_of, require_order, stop_drain


def drain(
    context: typer.Context,
    cell: Annotated[str, typer.Argument(metavar="CELL", help="The cell: hub, or a further one.")],
    *,
    rate: Annotated[int, typer.Option(help="Clients that are asked to move in a second.")] = 50,
    stop: Annotated[bool, typer.Option("--stop", help="Let the cell have new sessions again.")] = False,
) -> None:
    """Empty a cell: no new sessions, and its clients are asked to move to other cells. Run it again to continue."""
    workplace = Workplace.of(context)
    if not 1 <= rate <= MOST_A_SECOND:
        raise OperatorError(f"--rate must be from 1 to {MOST_A_SECOND}.")
    deployment = workplace.deployment()
    if stop:
        stop_drain(deployment, cell)
        workplace.terminal.say(f"The cell {cell} gets new sessions again. Clients that have moved stay where they are.")
        workplace.terminal.show(_cell(cell, gets_sessions=True))
        return
    with workplace.terminal.step("Waiting for the other cells to take over"):
        name = order_drain(deployment, cell)
    draining = Draining(
        deployment.all_cells[name],
        [tenant.tenant_id for tenant in deployment.tenants.all_tenants()],
        rate=rate,
        overlap_seconds=overlap_of(deployment, name),
        require_order=lambda: require_order(deployment, name),
    )
    with workplace.terminal.bar(f"Draining {name}") as bar:
        draining.progressed = bar.update
        stayed = draining()
    asked = len(draining.asked)
    workplace.terminal.show(_cell(name, gets_sessions=False, asked=asked, stayed=stayed))
    if stayed:
        raise OperatorError(
            f"{asked} clients were asked to move, and {stayed} stayed.",
            "They end by themselves, within two hours. Run this again to ask them once more.",
        )
    workplace.terminal.say(f"The cell {name} has no clients any more; {asked} were asked to move.")


def _cell(name: str, *, gets_sessions: bool, asked: int = 0, stayed: int = 0) -> Table:
    """A cell, and the clients of it that were asked to move."""
    table = Table("cell", "gets sessions", "asked", "stayed")
    table.add_row(name, str(gets_sessions), str(asked), str(stayed))
    return table
