"""The operator's command line, `loudhailer`: a local stack from `up` to `down`, and what to do with it in between."""

import asyncio
import os
import re
import signal
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Never

import typer
import uvloop
from rich.table import Table

from loudhailer import codec, ids
from loudhailer.broadcast.audience import to_wire
from loudhailer.broadcast.report import Report
from tools.client.http import HttpApi
from tools.commands import Commands, require_text
from tools.console import Terminal
from tools.demo.performance import Performance
from tools.demo.scenario import Scenario
from tools.demo.verdict import broadcast_table, count_table
from tools.errors import OperatorError
from tools.operations.broadcasts import audience_of, described, message_of, report_table
from tools.operations.cancelling import cancel as cancel_broadcast
from tools.operations.deployment import Deployment
from tools.operations.erasing import Erasing, Stores
from tools.operations.logs import LogReader, chosen, rendered
from tools.operations.overview import overview
from tools.operations.redriving import Redrive
from tools.operations.tenants import SAMPLE_TENANTS, TenantChange, keyed, new_session_key, put, require_silo
from tools.planner.load import Load
from tools.planner.tables import plan_tables, talk_tables, warnings
from tools.release.commands import app as release_app
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import AWS, GATEWAY, Packaging, Ports, Stack
from tools.stack.project import Project
from tools.stack.subscribers import SUBSCRIBER_ACCOUNTS, subscriber_variables
from tools.stack.template_store import TemplateStore

_FOLLOW_TIMEOUT_SECONDS = 300.0
_DEMO_VARIABLES = {"partitions": {"connections_per_partition": 50}}
"""Small partitions, so that there are several to count and to broadcast through."""

_DEMO = "demo"
_Package = Annotated[
    Packaging,
    typer.Option(envvar="LOUDHAILER_PACKAGE", help="Functions as a zip, or as the image in a container engine."),
]
_NoTemplate = Annotated[
    bool,
    typer.Option(
        "--no-template",
        envvar="LOUDHAILER_NO_TEMPLATE",
        help="Neither start from the template of an earlier stack nor keep one.",
    ),
]
_STACK_NAME = re.compile("[a-z0-9-]{1,32}")
_MOST_FAULTS = 20
_TERMINATIONS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Workplace:
    """What every command starts from: where the stacks lie, and where to write."""

    home: Path | None
    stack_name: str
    terminal: Terminal

    def stack(self, name: str | None = None, **variables: Any) -> Stack:
        """A stack in the state directory: the one that the command is for, or another."""
        project = Project.of_this_code()
        home = (self.home or project.root / ".loudhailer").resolve()
        return Stack(project, StackDirectory(home / (name or self.stack_name)), self.terminal, variables)

    def deployment(self) -> Deployment:
        """The running local stack."""
        return Deployment.of(self.stack().state())

    @contextmanager
    def held(self, stack: Stack) -> Iterator[None]:
        """Hold the stack's lock, saying so if that takes a while."""
        with stack.directory.locked(lambda: self.terminal.say("Another command is at work on this stack; waiting …")):
            yield


app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)
tenant_app = typer.Typer(no_args_is_help=True, help="List, put and delete tenants.")
app.add_typer(tenant_app, name="tenant")
plan_app = typer.Typer(invoke_without_command=True)
app.add_typer(plan_app, name="plan")
app.add_typer(release_app, name="release")


@app.callback()
def prepare(
    context: typer.Context,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="LOUDHAILER_STATE_DIR",
            help="Where the stacks keep all they own. Default: .loudhailer in the checkout.",
        ),
    ] = None,
    stack: Annotated[str, typer.Option(help="Name of the stack; those of several names run side by side.")] = "local",
) -> None:
    """Find the stack that the command is for."""
    if _STACK_NAME.fullmatch(stack) is None:
        raise OperatorError("--stack must be 1 to 32 lowercase letters, digits and dashes.")
    require_text("The state directory", str(state_dir))
    context.obj = Workplace(state_dir, stack, Terminal())


@app.command()
def up(
    context: typer.Context,
    *,
    force: Annotated[bool, typer.Option("--force", help="Apply even if nothing has changed.")] = False,
    aws_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the local AWS; 0: a free one.")] = 0,
    gateway_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the gateway; 0: a free one.")] = 0,
    package: _Package = Packaging.ZIP,
    no_template: _NoTemplate = False,
    subscribers: Annotated[
        int, typer.Option(min=0, max=len(SUBSCRIBER_ACCOUNTS), help="Other accounts that post beside the hub's.")
    ] = 0,
) -> None:
    """Start the local stack, or bring it up to date; exit code 0 once it runs, also in place of one that was lost."""
    workplace: Workplace = context.obj
    stack = replace(workplace.stack(**subscriber_variables(subscribers)), templates=_templates(unwanted=no_template))
    with workplace.held(stack):
        before = stack.state()
        changed = stack.up(Ports(aws_port, gateway_port), packaging=package, force=force)
        state = stack.state()
        deployment = Deployment.of(state)
        if before is not None and before.applied is not None and _urls(Deployment.of(before)) != _urls(deployment):
            workplace.terminal.say("The URLs are no longer those of before.")
        if changed or (state is not None and not state.seeded):
            stack.seed(lambda: _put_sample_tenants(deployment))
        else:
            workplace.terminal.say("The stack is up to date; nothing was changed.")
        workplace.terminal.show(_addresses(deployment))


@app.command()
def down(
    context: typer.Context,
    *,
    destroy: Annotated[
        bool,
        typer.Option("--destroy", help="Let Terraform destroy the resources first; they die with the stack anyway."),
    ] = False,
) -> None:
    """Stop the local stack and remove every trace of it: its resources live in the local AWS and end with it."""
    workplace: Workplace = context.obj
    stack = workplace.stack()
    with workplace.held(stack):
        existed = stack.down(destroy=destroy)
    workplace.terminal.say("The stack is gone, and its resources with it." if existed else "There was no stack.")


@app.command()
def status(context: typer.Context) -> None:
    """Show processes, URLs, functions, queues and partitions; exit code 1 unless everything runs."""
    workplace: Workplace = context.obj
    stack = workplace.stack()
    state = stack.state()
    processes = {name: stack.processes.find(name) for name in (AWS, GATEWAY)}
    table = Table("process", "state", "pid", "port", title="Processes", title_justify="left")
    for (name, process), port in zip(
        processes.items(), (state.aws_port, state.gateway_port) if state else ("", ""), strict=True
    ):
        table.add_row(name, "running" if process else "not running", str(process.pid) if process else "", str(port))
    workplace.terminal.show(table)
    if not all(processes.values()):
        raise OperatorError("The stack is not running.", "Start it with `loudhailer up`.")
    deployment = Deployment.of(state)
    workplace.terminal.show(_addresses(deployment))
    for part in overview(deployment):
        workplace.terminal.show(part)


@app.command()
def demo(
    context: typer.Context,
    *,
    sockets: Annotated[int, typer.Option(min=10, max=20_000, help="How many sockets connect.")] = 500,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running for a closer look.")] = False,
    package: _Package = Packaging.ZIP,
    no_template: _NoTemplate = False,
) -> None:
    """Show it all on a stack of its own: sockets, three broadcasts, departures; every frame and count is checked."""
    workplace: Workplace = context.obj
    started = time.monotonic()
    stack = replace(workplace.stack(_DEMO, **_DEMO_VARIABLES), templates=_templates(unwanted=no_template))
    with workplace.held(stack), _removed_in_the_end(workplace, stack, keep=keep):
        stack.clear()
        stack.up(packaging=package)
        performance = Performance(Scenario.of(sockets), Deployment.of(stack.state()), workplace.terminal)
        _run(performance.run())
        workplace.terminal.show(broadcast_table(performance.broadcasts))
        workplace.terminal.show(count_table(performance.counts))
        faults = performance.faults
        for fault in faults[:_MOST_FAULTS]:
            workplace.terminal.say(fault)
        if faults:
            raise OperatorError(f"{len(faults)} findings are not as they must be.", "Run with --keep and look closer.")
    workplace.terminal.show(f"Every frame arrived and every count is right, in {time.monotonic() - started:.0f} s.")


@app.command()
def broadcast(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What to say: JSON, or any text.")],
    *,
    everyone: Annotated[bool, typer.Option("--all", help="To everyone.")] = False,
    tenant: Annotated[
        str | None, typer.Option(help="To a tenant, or to the part of it that another option names.")
    ] = None,
    room: Annotated[str | None, typer.Option(help="To a room of the tenant.")] = None,
    player: Annotated[str | None, typer.Option(help="To a player of the tenant.")] = None,
    session: Annotated[str | None, typer.Option(help="To a session of the tenant.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait until it is finished.")] = False,
) -> None:
    """Publish a broadcast, and follow its report."""
    workplace: Workplace = context.obj
    audience = audience_of(everyone=everyone, tenant=tenant, room=room, player=player, session=session)
    text = message_of(message)
    deployment = workplace.deployment()

    async def publish() -> Report | None:
        async with HttpApi(deployment.http_url) as api:
            broadcast_id = await api.publish(to_wire(audience), codec.verbatim(text))
            workplace.terminal.show(broadcast_id)
            if not follow:
                return None
            with workplace.terminal.bar(f"Broadcasting to {described(audience)}") as bar:

                def show(report: Report) -> None:
                    settled = report.dispatched - report.in_flight
                    bar.update(settled, max(report.dispatched, report.expected or 0), report.status)

                return await api.finished_report(broadcast_id, _FOLLOW_TIMEOUT_SECONDS, show)

    report = _run(publish())
    if report is not None:
        workplace.terminal.show(report_table(report))
        if report.status != "finished" or report.failed:
            raise OperatorError("The broadcast did not reach everyone.", "Look at `loudhailer logs`.")


@app.command()
def cancel(context: typer.Context, broadcast_id: Annotated[str, typer.Argument(metavar="BROADCAST")]) -> None:
    """End a broadcast: who was not sent it yet is counted as failed."""
    workplace: Workplace = context.obj
    wanted = ids.broadcast_id(broadcast_id, "BROADCAST")
    deployment = workplace.deployment()
    with workplace.terminal.bar("Cancelling") as bar:
        report = cancel_broadcast(
            deployment, wanted, lambda now: bar.update(now.dispatched - now.in_flight, now.dispatched, now.status)
        )
    workplace.terminal.show(report_table(report))


@app.command()
def redrive(
    context: typer.Context,
    broadcast: Annotated[str | None, typer.Option(help="Messages of this broadcast only, and no frames.")] = None,
) -> None:
    """Send again what came to rest in the dead-letter queues: broadcasts, and frames of the silo and the pool."""
    workplace: Workplace = context.obj
    only = None if broadcast is None else ids.broadcast_id(broadcast, "--broadcast")
    redriving = Redrive(workplace.deployment(), only)
    table = Table("messages", "number", "what became of them")
    for result in [redriving()] if only else [redriving(), redriving.frames()]:
        for kind, number in sorted(result.sent.items()):
            table.add_row(kind, str(number), "sent again")
        for reason, number in sorted(result.left.items()):
            table.add_row(reason, str(number), "left in the queue")
    workplace.terminal.show(table if table.rows else "The dead-letter queues are empty.")


@app.command()
def logs(
    context: typer.Context,
    function: Annotated[str | None, typer.Argument(help="One function; default: all.")] = None,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")] = False,
    since: Annotated[int, typer.Option(min=1, help="Begin so many minutes ago.")] = 15,
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, max=100_000, help="The newest lines only.")] = 200,
) -> None:
    """Show the functions' logs, merged by time."""
    workplace: Workplace = context.obj
    deployment = workplace.deployment()
    reader = LogReader(deployment.client("logs"), chosen(deployment.functions, function))
    start = int((time.time() - 60 * since) * 1000)
    batches = reader.follow(start) if follow else iter([reader.since(start)])
    for line in [*rendered(next(batches))][-lines:]:
        workplace.terminal.show(line)
    for line in rendered(chain.from_iterable(batches)):
        workplace.terminal.show(line)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def terraform(context: typer.Context) -> None:
    """Run Terraform on the stack's working copy and local AWS, as in `loudhailer terraform plan`."""
    workplace: Workplace = context.obj
    stack = workplace.stack()
    with workplace.held(stack):
        state = stack.state()
        Deployment.of(state)
        if state is not None:
            raise typer.Exit(stack.terraform(state).interactive(context.args))


@tenant_app.command("list")
def list_tenants(context: typer.Context) -> None:
    """Show all tenants and their limits."""
    workplace: Workplace = context.obj
    deployment = workplace.deployment()
    tenants = deployment.tenants
    table = Table(*SAMPLE_TENANTS[0].to_wire(), "silo")
    for tenant in tenants.everyone():
        table.add_row(*map(str, tenant.to_wire().values()), str(deployment.has_silo(tenant.tenant_id)))
    workplace.terminal.show(table)
    for stone in tenants.tombstones():
        if stone.erased_at is None:
            key = stone.tenant_id
            workplace.terminal.say(
                f"Tenant {key} is being erased; complete that with `loudhailer tenant delete {key}`."
            )


@tenant_app.command("put")
def put_tenant(
    context: typer.Context,
    tenant: str,
    *,
    tenant_connections: Annotated[int | None, typer.Option(help="Connections of all its sessions together.")] = None,
    connections_per_session: Annotated[int | None, typer.Option(help="Connections of one session.")] = None,
    tenant_per_minute: Annotated[int | None, typer.Option(help="Attempts to connect, of all its sessions.")] = None,
    session_per_minute: Annotated[int | None, typer.Option(help="Attempts to connect, of one session.")] = None,
    messages_per_minute: Annotated[int | None, typer.Option(help="Messages.")] = None,
    tenant_sessions: Annotated[int | None, typer.Option(help="Sessions that live at the same time.")] = None,
    posts_per_minute: Annotated[
        int | None,
        typer.Option(help="Posts that messages to rooms may cause; by default 100 a message."),
    ] = None,
    session_ttl: Annotated[int | None, typer.Option(help="Seconds that an idle session lives.")] = None,
    silo: Annotated[bool | None, typer.Option(help="Only if Terraform has made it a queue of its own, or not.")] = None,
    session_key: Annotated[
        bool,
        typer.Option(
            "--new-session-key", help="Hide the ids of sessions by a new key: clients must put their sessions again."
        ),
    ] = False,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Use the id of a tenant that was just erased, though broadcasts to it may be on their way.",
        ),
    ] = False,
) -> None:
    """Make a tenant, or change the limits that are named."""
    workplace: Workplace = context.obj
    change = TenantChange(
        tenant_connections=tenant_connections,
        connections_per_session=connections_per_session,
        tenant_per_minute=tenant_per_minute,
        session_per_minute=session_per_minute,
        messages_per_minute=messages_per_minute,
        tenant_sessions=tenant_sessions,
        posts_per_minute=posts_per_minute,
        session_seconds=session_ttl,
        session_key=new_session_key() if session_key else None,
    )
    tenant_id = ids.tenant_id(tenant)
    deployment = workplace.deployment()
    require_silo(tenant_id, wanted=silo, standing=deployment.has_silo(tenant_id))
    rest = deployment.rest_seconds
    put(deployment.tenants, change, tenant_id, now=time.time(), rest_seconds=rest, at_once=at_once)
    workplace.terminal.say(f"Tenant {tenant_id} is put.")


@tenant_app.command("delete")
def delete_tenant(context: typer.Context, tenant: str) -> None:
    """End a tenant's sessions and erase all that it has; run it again if it was interrupted."""
    workplace: Workplace = context.obj
    tenant_id = ids.tenant_id(tenant)
    deployment = workplace.deployment()
    stores = Stores.of(deployment)
    with workplace.terminal.bar(f"Erasing {tenant_id}") as bar:
        erasing = Erasing(
            stores,
            tenant_id,
            lambda done, kind: bar.update(done, None, kind),
            quiet_seconds=deployment.quiet_seconds,
        )
        erasing()
    table = Table("erased", "number")
    for kind, number in sorted(erasing.erased.items()):
        table.add_row(kind, str(number))
    workplace.terminal.show(table if table.rows else "It had nothing but its limits.")
    workplace.terminal.say(f"Tenant {tenant_id} is deleted.")


@plan_app.callback()
def plan(
    context: typer.Context,
    *,
    connections: Annotated[int, typer.Option(help="Clients that are connected all the time.")] = 1_000_000,
    cells: Annotated[int, typer.Option(help="Cells that they are spread over.")] = 1,
    accounts: Annotated[int | None, typer.Option(help="Accounts that have the cells. Default: one each.")] = None,
    broadcasts_per_hour: Annotated[float, typer.Option(help="Each to everyone.")] = 1,
    message_bytes: Annotated[int, typer.Option(help="A broadcast's message, as JSON.")] = 512,
    posts_per_second: Annotated[int, typer.Option(help="An account's API Gateway quota.")] = 10_000,
    burst: Annotated[int, typer.Option(help="Its bucket.")] = 5_000,
    shards: Annotated[int, typer.Option(help="Shard queues of a cell; two workers each.")] = 2,
    connection_minutes: Annotated[int, typer.Option(help="How long a client keeps a connection.")] = 115,
    keep_alive_minutes: Annotated[int, typer.Option(help="How often a client pings; 0: never.")] = 8,
    query_concurrency: Annotated[int, typer.Option(help="Invocations of query at the same time, of a cell.")] = 8,
    broadcast_keys: Annotated[int, typer.Option(help="Partition keys that a broadcast's rows are spread over.")] = 16,
    tracing: Annotated[bool, typer.Option("--tracing", help="Functions send traces to X-Ray.")] = False,
) -> None:
    """Say what a crowd takes before it is there: times, parts, and the cost of a month."""
    if context.invoked_subcommand is not None:
        return
    load = Load(
        connections=connections,
        cells=cells,
        accounts=cells if accounts is None else accounts,
        broadcasts_per_hour=Decimal(str(broadcasts_per_hour)),
        message_bytes=message_bytes,
        posts_per_second=posts_per_second,
        burst=burst,
        shards=shards,
        connection_minutes=connection_minutes,
        keep_alive_minutes=keep_alive_minutes,
        query_concurrency=query_concurrency,
        broadcast_keys=broadcast_keys,
        tracing=tracing,
    )
    workplace: Workplace = context.obj
    for table in plan_tables(load):
        workplace.terminal.show(table)
    for warning in warnings(load):
        workplace.terminal.show(f"Note: {warning}")


@plan_app.command("talk")
def plan_talk(
    context: typer.Context,
    *,
    room_size: Annotated[int, typer.Option(help="Members of the room in which each request is said.")] = 2,
) -> None:
    """Reproduce the cost of a chat that a talk gives, 13,385.15 USD a month, and add what it leaves out."""
    workplace: Workplace = context.obj
    for table in talk_tables(room_size):
        workplace.terminal.show(table)


def main() -> None:
    """Entry point of the command `loudhailer`; a termination cleans up as an interrupt does."""
    for number in _TERMINATIONS:
        signal.signal(number, _terminate)
    app()


def _templates(*, unwanted: bool) -> TemplateStore | None:
    return None if unwanted else TemplateStore.of_the_user(os.environ)


def _put_sample_tenants(deployment: Deployment) -> None:
    tenants = deployment.tenants
    for tenant in SAMPLE_TENANTS:
        if tenants.get(tenant.tenant_id) is None:
            tenants.put(keyed(tenant))


def _urls(deployment: Deployment) -> dict[str, str]:
    return {
        "Web page": f"{deployment.http_url}/",
        "HTTP API": deployment.http_url,
        "WebSocket": deployment.websocket_url,
        "local AWS": deployment.aws_endpoint,
    }


def _addresses(deployment: Deployment) -> Table:
    table = Table.grid(padding=(0, 2))
    for name, url in _urls(deployment).items():
        table.add_row(name, url)
    return table


def _run[T](work: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def _terminate(number: int, _frame: FrameType | None) -> Never:
    raise SystemExit(128 + number)


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
            with _undisturbed(), workplace.terminal.step("Removing the stack"):
                stack.down(keep_logs=keep_logs)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Finish the block even if the operator interrupts once more."""
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *_TERMINATIONS)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
