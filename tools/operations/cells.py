"""The further cells of a deployment, as the hub knows them: whether they are alive, and have the tenants."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from rich.table import Table

from loudhailer.cells.model import CellStatus, Lease
from loudhailer.ids import CellName
from tools.errors import OperatorError
from tools.stack.deployment import Deployment
from tools.stack.traffic import ALIAS

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

_POLL_SECONDS = 0.1


def cell_named(deployment: Deployment, name: str | None) -> Deployment:
    """The further cell of that name, or the hub without one; OperatorError if there is no such cell."""
    if name is None:
        return deployment
    if (cell := deployment.all_cells.get(CellName(name))) is None:
        raise OperatorError(f"There is no cell {name}.", f"The cells are {', '.join(deployment.all_cells)}.")
    return cell


def copy_tenants_now(deployment: Deployment, seconds: float) -> None:
    """Let each further cell fetch the tenants now, as its schedule does within a minute; see `await_tenants`."""
    for cell in deployment.cells.values():
        functions: LambdaClient = cell.client("lambda")
        functions.invoke(FunctionName=cell.functions["beat"], Qualifier=ALIAS, Payload=b"{}")
    await_tenants(deployment, seconds)


def await_tenants(deployment: Deployment, seconds: float) -> None:
    """Wait until each further cell is alive and has the tenants as they are now; OperatorError after the time."""
    if missing := cells_without_tenants(deployment, seconds):
        raise OperatorError(
            f"After {seconds:.0f} s the tenants as they are now have not reached {' and '.join(missing)}.",
            f"Look at `loudhailer status`, and at `loudhailer logs beat --cell {missing[0]}`.",
        )


def cells_without_tenants(
    deployment: Deployment,
    seconds: float,
    *,
    clock: Callable[[], float] = time.time,
    pause: Callable[[float], None] = time.sleep,
) -> list[CellName]:
    """The further cells that do not have the tenants as they are now after so many seconds; empty once all do."""
    if not deployment.cells:
        return []
    revision = deployment.directory.tenant_revision()
    deadline = clock() + seconds
    while missing := _without_tenants(deployment, revision, clock()):
        if clock() > deadline:
            break
        pause(_POLL_SECONDS)
    return missing


def forget_removed_cells(deployment: Deployment, before: Collection[str]) -> None:
    """Delete the rows of cells that are not declared any more: an order would apply to the next cell of that name."""
    for name in before if deployment.cells else ():
        if name not in deployment.cells:
            deployment.directory.forget(CellName(name))


def dead_cells(deployment: Deployment, now: float) -> set[CellName]:
    """Return the further cells without a valid lease."""
    return {
        cell
        for cell, status in _statuses(deployment).items()
        if status.lease is None or not _is_alive(deployment, cell, status.lease, now)
    }


def cell_table(deployment: Deployment, now: float) -> Table:
    """One row a further cell: its account, its clients, and its lease."""
    table = Table(
        "cell", "account", "connections", "lease", "age s", "tenants", title="Further cells", title_justify="left"
    )
    revision = deployment.directory.tenant_revision()
    for cell, status in _statuses(deployment).items():
        account, lease = deployment.cells[cell].account, status.lease
        if lease is None:
            table.add_row(cell, account, "", "declared, never seen", "", "")
            continue
        state = "alive" if _is_alive(deployment, cell, lease, now) else "not alive"
        if status.ordered_weight == 0:
            state += ", drained"
        tenants = "all" if lease.tenant_revision >= revision else f"revision {lease.tenant_revision} of {revision}"
        table.add_row(cell, account, str(lease.connections), state, f"{now - lease.at:.0f}", tenants)
    return table


def _without_tenants(deployment: Deployment, revision: int, now: float) -> list[CellName]:
    """The cells that are not alive, or do not have the tenants of the revision yet."""
    leases = {cell: status.lease for cell, status in _statuses(deployment).items()}
    return [
        cell
        for cell, lease in leases.items()
        if lease is None or lease.tenant_revision < revision or not _is_alive(deployment, cell, lease, now)
    ]


def _statuses(deployment: Deployment) -> Mapping[CellName, CellStatus]:
    return deployment.directory.statuses(list(deployment.cells)) if deployment.cells else {}


def _is_alive(deployment: Deployment, cell: CellName, lease: Lease, now: float) -> bool:
    return lease.is_alive(now, int(deployment.outputs["cells"][cell]["placement"]["lease_seconds"]))
