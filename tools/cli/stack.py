"""The commands that start, show and remove a local stack."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Annotated

import typer
from rich.table import Table

from tools.cli.options import NoTemplate, Package, templates
from tools.cli.workplace import Workplace
from tools.errors import OperatorError
from tools.operations.cells import copy_tenants_now, forget_removed_cells
from tools.operations.overview import overview
from tools.operations.tenants import SAMPLE_TENANTS, keyed
from tools.stack.cells import CELL_ACCOUNTS, cell_variables, gateway_of
from tools.stack.deployment import Deployment
from tools.stack.lifecycle import AWS, GATEWAY, Packaging, Ports
from tools.stack.subscribers import SUBSCRIBER_ACCOUNTS, subscriber_variables

_CELLS_SECONDS = 30.0


def up(
    context: typer.Context,
    *,
    force: Annotated[bool, typer.Option("--force", help="Apply even if nothing has changed.")] = False,
    aws_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local AWS; 0: a free one.")] = 0,
    gateway_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the gateway; 0: a free one.")] = 0,
    package: Package = Packaging.ZIP,
    no_template: NoTemplate = False,
    no_throttling: Annotated[
        bool, typer.Option("--no-throttling", help="Let the local AWS answer at any rate; AWS's own hold otherwise.")
    ] = False,
    subscribers: Annotated[
        int, typer.Option(min=0, max=len(SUBSCRIBER_ACCOUNTS), help="Other accounts that post beside the hub's.")
    ] = 0,
    cells: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1 + len(CELL_ACCOUNTS),
            help="Cells: the hub's own, and others in other accounts; by default as many as the stack has.",
        ),
    ] = None,
) -> None:
    """Start the local stack, or bring it up to date; exit code 0 once it runs, also in place of one that was lost."""
    workplace = Workplace.of(context)
    with workplace.held(workplace.stack()):
        before = workplace.stack().state()
        number = cells or 1 + (len(before.cell_ports) if before else 0)
        stack = replace(
            workplace.stack(**subscriber_variables(subscribers), **cell_variables(number)),
            templates=templates(unwanted=no_template),
            throttling=not no_throttling,
        )
        changed = stack.up(Ports(aws_port, gateway_port), packaging=package, force=force)
        state = stack.state()
        deployment = Deployment.of(state)
        forget_removed_cells(deployment, CELL_ACCOUNTS)
        if before is not None and before.applied is not None and _urls(Deployment.of(before)) != _urls(deployment):
            workplace.terminal.say("The URLs are no longer those of before.")
        if changed or (state is not None and not state.seeded):
            stack.seed(lambda: _put_sample_tenants(deployment))
            with workplace.terminal.step("Waiting for the cells") if deployment.cells else nullcontext():
                copy_tenants_now(deployment, _CELLS_SECONDS)
        else:
            workplace.terminal.say("The stack is up to date; nothing was changed.")
        workplace.terminal.show(_addresses(deployment))


def down(
    context: typer.Context,
    *,
    destroy: Annotated[
        bool,
        typer.Option("--destroy", help="Let Terraform destroy the resources first; they die with the stack anyway."),
    ] = False,
) -> None:
    """Stop the local stack and remove every trace of it: its resources live in the local AWS and end with it."""
    workplace = Workplace.of(context)
    stack = workplace.stack()
    with workplace.held(stack):
        existed = stack.down(destroy=destroy)
    workplace.terminal.say("The stack is gone, and its resources with it." if existed else "There was no stack.")


def status(context: typer.Context) -> None:
    """Show processes, URLs, functions, queues and partitions; exit code 1 unless everything runs.

    Connections of tenants are counted in a local stack only; on AWS the table has the counts that the functions keep.
    """
    workplace = Workplace.of(context)
    if workplace.aws is None:
        _show_processes(workplace)
    deployment = workplace.deployment()
    workplace.terminal.show(_addresses(deployment), name="urls")
    for part in overview(deployment, count_rows=workplace.aws is None):
        workplace.terminal.show(part)


def _show_processes(workplace: Workplace) -> None:
    """Show the processes of a local stack; OperatorError unless all of them run."""
    stack = workplace.stack()
    state = stack.state()
    ports: dict[str, object] = {AWS: "", GATEWAY: ""}
    if state is not None:
        ports = {AWS: state.aws_port, GATEWAY: state.gateway_port}
        ports |= {gateway_of(cell): port for cell, port in state.cell_ports.items()}
    processes = {name: stack.processes.find(name) for name in ports}
    table = Table("process", "state", "pid", "port", title="Processes", title_justify="left")
    for name, process in processes.items():
        running = "running" if process else "not running"
        table.add_row(name, running, str(process.pid) if process else "", str(ports[name]))
    workplace.terminal.show(table)
    if not all(processes.values()):
        raise OperatorError("The stack is not running.", "Start it with `loudhailer up`.")


def terraform(context: typer.Context) -> None:
    """Run Terraform on the stack's sources and local AWS, as in `loudhailer terraform plan`."""
    workplace = Workplace.of(context)
    stack = workplace.stack()
    with workplace.held(stack):
        state = stack.state()
        Deployment.of(state)
        if state is not None:
            raise typer.Exit(stack.terraform(state).interactive(context.args))


def _put_sample_tenants(deployment: Deployment) -> None:
    tenants = deployment.tenants
    for tenant in SAMPLE_TENANTS:
        if tenants.get(tenant.tenant_id) is None:
            tenants.put(keyed(tenant))


def _urls(deployment: Deployment) -> dict[str, str]:
    page = {"Web page": f"{deployment.http_url}/"} if "console" in deployment.functions else {}
    local = {"local AWS": endpoint} if (endpoint := deployment.access.endpoint) else {}
    return {**page, "HTTP API": deployment.http_url, "WebSocket": deployment.websocket_url, **local}


def _addresses(deployment: Deployment) -> Table:
    table = Table.grid("name", "url", padding=(0, 2))
    for name, url in _urls(deployment).items():
        table.add_row(name, url)
    return table
