"""`loudhailer plan`."""

from decimal import Decimal
from typing import Annotated

import typer

from tools.cli.workplace import Workplace
from tools.planner.load import Load
from tools.planner.tables import plan_tables, talk_tables, warnings

plan_app = typer.Typer(invoke_without_command=True)


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
    tenants: Annotated[int, typer.Option(help="Tenants of an account whose clients send messages.")] = 1,
    messages_per_second: Annotated[int, typer.Option(help="Messages that the clients of an account send.")] = 0,
    room_changes_per_second: Annotated[int, typer.Option(help="Joins and leaves of the busiest room.")] = 0,
    tracing: Annotated[bool, typer.Option("--tracing", help="Functions send traces to X-Ray.")] = False,
    warm: Annotated[bool, typer.Option("--warm", help="Functions on the way of a broadcast are kept warm.")] = False,
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
        tenants=tenants,
        messages_per_second=messages_per_second,
        room_changes_per_second=room_changes_per_second,
        tracing=tracing,
        warm=warm,
    )
    workplace = Workplace.of(context)
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
    workplace = Workplace.of(context)
    for table in talk_tables(room_size):
        workplace.terminal.show(table)
