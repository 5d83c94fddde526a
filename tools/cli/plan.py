"""`loudhailer plan`."""

from decimal import Decimal
from typing import Annotated, Any

import typer

from tools.cli.options import number_option
from tools.cli.workplace import Workplace
from tools.errors import OperatorError
from tools.planner.deadline import cells_in_time, quota_in_time
from tools.planner.load import Load
from tools.planner.tables import deadline_table, plan_tables, talk_tables, warnings

plan_app = typer.Typer(add_completion=False, invoke_without_command=True)


@plan_app.callback()
def plan(
    context: typer.Context,
    *,
    connections: Annotated[int, number_option("Clients that are connected all the time.")] = 1_000_000,
    deadline: Annotated[
        float | None, typer.Option(help="Seconds for a broadcast: finds the cells, or with --cells the quota.")
    ] = None,
    cells: Annotated[int | None, number_option("Cells that they are spread over. Default: 1.")] = None,
    accounts: Annotated[int | None, number_option("Accounts that have the cells. Default: one each.")] = None,
    broadcasts_per_hour: Annotated[float, typer.Option(help="Each to everyone.")] = 1,
    message_bytes: Annotated[int, number_option("A broadcast's message, as JSON.")] = 512,
    posts_per_second: Annotated[int | None, number_option("An account's API Gateway quota. Default: 10,000.")] = None,
    burst: Annotated[int | None, number_option("Its bucket. Default: half of the quota.")] = None,
    shards: Annotated[int, number_option("Shard queues of a cell; two workers each.")] = 2,
    connection_minutes: Annotated[int, number_option("How long a client keeps a connection.")] = 115,
    keep_alive_minutes: Annotated[int, number_option("How often a client pings; 0: never.")] = 8,
    query_concurrency: Annotated[int, number_option("Invocations of query at the same time, of a cell.")] = 8,
    broadcast_keys: Annotated[int, number_option("Partition keys that a broadcast's rows are spread over.")] = 16,
    tenants: Annotated[int, number_option("Tenants of an account whose clients send messages.")] = 1,
    messages_per_second: Annotated[int, number_option("Messages that the clients of an account send.")] = 0,
    room_changes_per_second: Annotated[int, number_option("Joins and leaves of the busiest room.")] = 0,
    subscriptions_per_second: Annotated[int, number_option("Channels that clients of an account subscribe to.")] = 0,
    channel_messages_per_second: Annotated[int, number_option("Messages that they publish to channels.")] = 0,
    tracing: Annotated[bool, typer.Option("--tracing", help="Functions send traces to X-Ray.")] = False,
    warm: Annotated[bool, typer.Option("--warm", help="Functions on the way of a broadcast are kept warm.")] = False,
) -> None:
    """Estimate a crowd's delivery times, parts and monthly cost before you deploy."""
    if context.invoked_subcommand is not None:
        return
    numbers: dict[str, Any] = {
        "connections": connections,
        "broadcasts_per_hour": Decimal(str(broadcasts_per_hour)),
        "message_bytes": message_bytes,
        "shards": shards,
        "connection_minutes": connection_minutes,
        "keep_alive_minutes": keep_alive_minutes,
        "query_concurrency": query_concurrency,
        "broadcast_keys": broadcast_keys,
        "tenants": tenants,
        "messages_per_second": messages_per_second,
        "room_changes_per_second": room_changes_per_second,
        "subscriptions_per_second": subscriptions_per_second,
        "channel_messages_per_second": channel_messages_per_second,
        "tracing": tracing,
        "warm": warm,
    }
    load = _load(deadline, numbers, cells=cells, accounts=accounts, posts_per_second=posts_per_second, burst=burst)
    workplace = Workplace.of(context)
    if deadline is not None:
        workplace.terminal.show(deadline_table(load, deadline))
    for table in plan_tables(load):
        workplace.terminal.show(table)
    for warning in warnings(load):
        workplace.terminal.show(f"Note: {warning}")


def _load(
    deadline: float | None,
    numbers: dict[str, Any],
    *,
    cells: int | None,
    accounts: int | None,
    posts_per_second: int | None,
    burst: int | None,
) -> Load:
    """The load as it is given; with a deadline, over the cells or with the quota that meet it."""
    rate = 10_000 if posts_per_second is None else posts_per_second
    quota: dict[str, Any] = {"posts_per_second": rate, "burst": rate // 2 if burst is None else burst}
    spread: dict[str, Any] = {"cells": 1 if cells is None else cells}
    spread["accounts"] = spread["cells"] if accounts is None else accounts
    if deadline is None:
        return Load(**numbers, **spread, **quota)
    if cells is None and accounts is None:
        return cells_in_time(deadline, **numbers, **quota)
    if posts_per_second is None and burst is None:
        return quota_in_time(deadline, **numbers, **spread)
    raise OperatorError(
        "--deadline finds the cells or the quota, and both are given.",
        "Leave out --cells and --accounts, or --posts-per-second and --burst.",
    )


@plan_app.command("talk")
def plan_talk(
    context: typer.Context,
    *,
    room_size: Annotated[int, number_option("Members of the room in which each request is said.")] = 2,
) -> None:
    """Reproduce the cost of a chat that a talk gives, 13,385.15 USD a month, and add what it leaves out."""
    workplace = Workplace.of(context)
    for table in talk_tables(room_size):
        workplace.terminal.show(table)
