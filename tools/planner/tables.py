"""Tables of a plan."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.table import Table

from loudhailer.broadcast.estimate import START_SECONDS
from loudhailer.sessions.dynamodb import SESSION_KEYS
from tools.planner import talk
from tools.planner.bill import BillItem, bill, functions_of_a_month, per_million_deliveries, total
from tools.planner.load import MAX_PARTITIONS, Load
from tools.planner.prices import CONNECTS_PER_SECOND, LAMBDA_CONCURRENCY
from tools.planner.work import (
    assumed_per_second,
    concurrency,
    first_credentials,
    query_read_units_per_second,
    query_units_per_second,
)

_BAR = 30
_DEFAULT_POSTS = 10_000
_LIFETIME_SECONDS = 300
_LANE_POSTS_PER_SECOND = 9_000
"""A worker has at most 900 posts in flight, each of up to 0.1 s, it is assumed."""

_UNITS_OF_A_KEY = 1_000
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html"""

_UNITS_OF_A_NEW_TABLE = 4_000
_READ_UNITS_OF_A_NEW_TABLE = 12_000
"""Units a second of a new table on demand, written and read; later it takes twice what it once took:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""

_UNITS_OF_A_TABLE = 40_000
"""The quota of a table on demand, written or read; it can be raised.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ServiceQuotas.html#default-limits-throughput"""

_UNITS_OF_AN_ARRIVAL = 4
"""The session is renewed, which finds none (1), made (1), and written with the connection in a transaction (2)."""

_UNITS_OF_A_SUBSCRIPTION = 3
"""The subscription (1), its member (1), and the count (1), which the members of a batch share."""

_UNITS_OF_A_NEW_CHANNEL = 1
"""The row of its first partition."""

_UNITS_OF_A_CHANNEL_MESSAGE = 12
"""The frame's minute (1), the posts of the session and of the tenant (2), the four rows of a small broadcast in a
transaction (8), and the note that it was sent (1). A player and a `clientMessageId` take up to three more."""

_ASSUMED_A_SECOND = 600
"""Calls a second that STS answers for an account and Region, all roles and users together; it cannot be raised.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""

_PINGS_SHARE = 5
"""The route of pings has a fifth of the quota."""


def plan_tables(load: Load) -> Iterator[Table]:
    """The plan for a load: one broadcast, the parts that make it, the functions, and the month's bill."""
    yield _times(load)
    yield _parts(load)
    items = bill(load)
    yield _bill("A month", items)
    yield _functions(load)
    if (million := per_million_deliveries(load)) is not None:
        table = Table("a million deliveries", "USD", title="Per million deliveries", title_justify="left")
        table.add_row("everything, connections that wait included", _money(million[0]))
        table.add_row("what would go away without broadcasts", _money(million[1]))
        yield table


def deadline_table(load: Load, deadline: float) -> Table:
    """The answer to a deadline: cells, the quotas to ask for, the time, and the cost."""
    table = Table("what", "number", "", title=f"Everyone within {deadline:g} s", title_justify="left")
    table.add_row(
        "cells", f"{load.cells:,}", f"{load.cell_connections:,} connections each, in {load.accounts:,} accounts"
    )
    table.add_row("a broadcast takes", _seconds(load.broadcast_seconds), f"{START_SECONDS} s until its first post")
    asked = "the default of most Regions" if load.posts_per_second == _DEFAULT_POSTS else "ask for it: quota L-8A5B8E43"
    table.add_row("requests a second, each account", f"{load.posts_per_second:,}", asked)
    table.add_row(
        "new connections a second, each account",
        f"{CONNECTS_PER_SECOND:,}",
        f"the default, quota L-9ED1E49A: all are back after {load.admission_seconds:,.0f} s",
    )
    table.add_row(
        "requests a second to the hub's HTTP API",
        f"{load.session_requests_per_second:,.0f}",
        "while a crowd comes back: they count in the hub's quota"
        + (", ask for it: L-8A5B8E43" if load.session_requests_per_second > _DEFAULT_POSTS else "")
        + "; hub_cell.weight = 0, which takes one account more, leaves it to them",
    )
    busy = sum(concurrency(load).values())
    environments = "the default" if busy <= LAMBDA_CONCURRENCY else "ask for it: quota L-B99A9384"
    table.add_row("Lambda environments, each account", f"{max(busy, LAMBDA_CONCURRENCY):,}", environments)
    table.add_row("USD a month", _money(total(bill(load))), "by item below")
    return table


def talk_tables(room_size: int) -> Iterator[Table]:
    """Seed C's figure, and the same with what it leaves out."""
    figure, rest = talk.as_the_talk_has_it(), talk.what_it_leaves_out(room_size)
    yield _bill("As the talk has it", figure)
    yield _bill("With what it leaves out", [*figure, *rest])


def warnings(load: Load) -> Iterator[str]:
    """Return the changes that an operator must make before this load arrives, each in a sentence."""
    if load.lanes_seconds > _LIFETIME_SECONDS:
        yield "A broadcast outlives its messages: raise broadcast.lifetime_seconds (300), or spread over more accounts."
    if load.pings_per_second > load.posts_per_second / _PINGS_SHARE:
        yield "Pings pass a fifth of the quota, which is what their route lets in: use more accounts."
    if load.lane_rate > _LANE_POSTS_PER_SECOND:
        yield "A lane is too fast for one worker's open posts: use more shards."
    yield from _warnings_of_tables(load)
    if (assumed := assumed_per_second(load)) > _ASSUMED_A_SECOND:
        yield (
            f"STS answers {_ASSUMED_A_SECOND} calls a second for an account; {assumed:,.0f} would be made: "
            "spread the tenants over more accounts."
        )
    if load.room_changes_per_second > _UNITS_OF_A_KEY:
        yield (
            f"A room takes {_UNITS_OF_A_KEY:,} joins and leaves a second, as DynamoDB writes no more to one key of an "
            "index: let clients join over a longer time, or divide the room."
        )
    if load.cell_partitions == MAX_PARTITIONS:
        yield "All partitions of a tenant are in use: they get larger than 1,000 connections. Use more cells."
    if sum(concurrency(load).values()) > LAMBDA_CONCURRENCY:
        yield f"Lambda's default of {LAMBDA_CONCURRENCY:,} concurrent environments is not enough: have it raised."


def _warnings_of_tables(load: Load) -> Iterator[str]:
    units, read = query_units_per_second(load), query_read_units_per_second(load) * load.queries
    if units * load.queries_of_a_key > _UNITS_OF_A_KEY or units * load.queries > _UNITS_OF_A_NEW_TABLE:
        yield "A broadcast's chunks are written faster than DynamoDB takes them: lower broadcast.query_concurrency."
    if read > _READ_UNITS_OF_A_NEW_TABLE:
        yield (
            f"A broadcast's recipients are read with {read:,.0f} units a second, and a new table takes "
            f"{_READ_UNITS_OF_A_NEW_TABLE:,}: warm the table up, or lower broadcast.query_concurrency."
        )
    if max(units * load.queries, read) > _UNITS_OF_A_TABLE:
        yield (
            f"A table takes {_UNITS_OF_A_TABLE:,} units a second by DynamoDB's default quota: have it raised, or lower "
            "broadcast.query_concurrency."
        )


def _times(load: Load) -> Table:
    table = Table("one broadcast, and a storm", "seconds", "because", title="Times", title_justify="left")
    accounts = f"{load.accounts:,} x {load.posts_per_second:,} requests a second"
    clients = f"of which clients send {load.requests_per_second:,.0f}: pings, connects and sessions"
    table.add_row("floor", _seconds(load.floor_seconds), f"{load.connections:,} connections over {accounts}, {clients}")
    table.add_row(
        "floor, buckets full", _seconds(load.floor_seconds_with_bucket), f"{load.burst:,} more at once an account"
    )
    table.add_row(
        "as the lanes post", _seconds(load.lanes_seconds), "98% of the quota, in whole posts, or what clients leave"
    )
    table.add_row(
        "all connect again", _seconds(load.storm_seconds), f"{CONNECTS_PER_SECOND} new connections a second and account"
    )
    table.add_row(
        "as they are let in",
        _seconds(load.admission_seconds),
        f"96% of that rate; the hub answers {load.session_requests_per_second:,.0f} requests a second meanwhile",
    )
    return table


def _parts(load: Load) -> Table:
    table = Table("part", "a cell", "in all", "", title="Parts", title_justify="left")
    cells = load.cells
    for name, of_cell, note in (
        ("connections", load.cell_connections, f"cells: {cells}, accounts: {load.accounts}"),
        ("partitions", load.cell_partitions, "of 1,000 at most, half full when a quarter more is opened"),
        ("sources", load.sources // cells, "of about 4,000 recipients"),
        (
            "chunks",
            load.chunks // cells,
            f"of {load.chunk_size} at most; a message has {load.chunk_message_bytes:,} bytes",
        ),
        ("lanes", load.lanes, f"{load.shards} shards x 2, each {load.lane_rate:,} posts a second"),
    ):
        in_all = load.connections if name == "connections" else of_cell * cells
        table.add_row(name, f"{of_cell:,}", f"{in_all:,}", note)
    units = query_units_per_second(load)
    of_key = (
        f"written by {load.queries} x query, {units * load.queries_of_a_key:,.0f} of them under one key; "
        f"a new table takes {_UNITS_OF_A_NEW_TABLE:,}"
    )
    table.add_row("units a second", f"{units * load.queries:,.0f}", f"{units * load.queries * cells:,.0f}", of_key)
    read = query_read_units_per_second(load) * load.queries
    new = f"of the table of connections; a new table takes {_READ_UNITS_OF_A_NEW_TABLE:,}"
    table.add_row("read units a second", f"{read:,.0f}", f"{read * cells:,.0f}", new)
    of_sessions = _UNITS_OF_AN_ARRIVAL * CONNECTS_PER_SECOND // SESSION_KEYS
    arrivals = f"if all are one tenant's, its sessions have {SESSION_KEYS} keys, with {of_sessions} units a second each"
    table.add_row("connects a second", "", f"{CONNECTS_PER_SECOND * load.accounts:,}", arrivals)
    roles = f"an account; STS answers {_ASSUMED_A_SECOND}. {first_credentials(load):,} once after a release"
    table.add_row("AssumeRole a second", "", f"{assumed_per_second(load) * load.accounts:,.0f}", roles)
    room = f"in the busiest room, whose key in the index takes {_UNITS_OF_A_KEY:,}"
    table.add_row("joins and leaves", "", f"{load.room_changes_per_second:,}", room)
    subscriptions = load.subscriptions_per_second
    written = (
        f"an account; {_UNITS_OF_A_SUBSCRIPTION * subscriptions:,} write units: a subscription writes "
        f"{_UNITS_OF_A_SUBSCRIPTION}, and the first one of a channel {_UNITS_OF_A_NEW_CHANNEL} more"
    )
    table.add_row("subscriptions a second", "", f"{subscriptions * load.accounts:,}", written)
    published = load.channel_messages_per_second
    recorded = f"an account; {_UNITS_OF_A_CHANNEL_MESSAGE * published:,} write units, if each has few subscribers"
    table.add_row("messages to channels a second", "", f"{published * load.accounts:,}", recorded)
    pings = f"an account; its route lets in {load.posts_per_second // _PINGS_SHARE:,}"
    table.add_row(
        "pings a second", "", f"{load.pings_per_second * load.accounts:,.0f}", f"{load.pings_per_second:,.0f} {pings}"
    )
    return table


def _functions(load: Load) -> Table:
    requests: defaultdict[str, Decimal] = defaultdict(Decimal)
    seconds: defaultdict[str, Decimal] = defaultdict(Decimal)
    for work, times in functions_of_a_month(load):
        requests[work.function] += work.invocations * times
        seconds[work.function] += work.gb_seconds(times)
    busy = concurrency(load)
    table = Table(
        "function",
        "requests a month",
        "GB-seconds",
        "busy at once in an account",
        title="Lambda (an estimate)",
        title_justify="left",
    )
    for function, gb_seconds in seconds.items():
        table.add_row(function, f"{requests[function]:,.0f}", f"{gb_seconds:,.0f}", str(busy.get(function, "")))
    return table


def _bill(title: str, items: Sequence[BillItem]) -> Table:
    table = Table("item", "units", "USD", "", "", title=title, title_justify="left")
    most = max(item.cost for item in items)
    for item in items:
        bar = "█" * round(_BAR * item.cost / most) if most else ""
        table.add_row(item.name, f"{item.units:,.0f}", _money(item.cost), bar, item.note)
    table.add_row("total", "", _money(total(items)))
    return table


def _money(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def _seconds(seconds: Decimal) -> str:
    return f"{seconds:,.1f}"
