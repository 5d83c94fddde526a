"""Tables of a plan."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from rich.table import Table

from tools.planner import talk
from tools.planner.bill import BillItem, bill, functions_of_a_month, per_million_deliveries, total
from tools.planner.load import MAX_PARTITIONS, Load
from tools.planner.prices import CONNECTS_PER_SECOND, LAMBDA_CONCURRENCY
from tools.planner.work import concurrency, query_units_per_second

_BAR = 30
_LIFETIME_SECONDS = 300
_LANE_POSTS_PER_SECOND = 9_000
"""A worker has at most 900 posts in flight, each of up to 0.1 s, it is assumed."""

_UNITS_OF_A_KEY = 1_000
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html"""

_UNITS_OF_A_NEW_TABLE = 4_000
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html"""

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


def talk_tables(room_size: int) -> Iterator[Table]:
    """Seed C's figure, and the same with what it leaves out."""
    figure, rest = talk.as_the_talk_has_it(), talk.what_it_leaves_out(room_size)
    yield _bill("As the talk has it", figure)
    yield _bill("With what it leaves out", [*figure, *rest])


def warnings(load: Load) -> Iterator[str]:
    """Return what an operator must change before this load comes, each in a sentence."""
    if load.lanes_seconds > _LIFETIME_SECONDS:
        yield "A broadcast outlives its messages: raise message_lifetime_seconds (300), or spread over more accounts."
    if load.pings_per_second > load.posts_per_second / _PINGS_SHARE:
        yield "Pings pass a fifth of the quota, which is what their route lets in: use more accounts."
    if load.lane_rate > _LANE_POSTS_PER_SECOND:
        yield "A lane is too fast for one worker's open posts: use more shards."
    units = query_units_per_second(load)
    if units * load.queries_of_a_key > _UNITS_OF_A_KEY or units * load.queries > _UNITS_OF_A_NEW_TABLE:
        yield "The chunks of a broadcast are written faster than DynamoDB takes them: lower query_concurrency."
    if load.cell_partitions == MAX_PARTITIONS:
        yield "All partitions of a tenant are in use: they get larger than 1,000 connections. Use more cells."
    if sum(concurrency(load).values()) > LAMBDA_CONCURRENCY:
        yield f"Lambda's default of {LAMBDA_CONCURRENCY:,} concurrent environments is not enough: have it raised."


def _times(load: Load) -> Table:
    table = Table("one broadcast, and a storm", "seconds", "because", title="Times", title_justify="left")
    accounts = f"{load.accounts:,} x {load.posts_per_second:,} posts a second"
    table.add_row("floor", _seconds(load.floor_seconds), f"{load.connections:,} connections over {accounts}")
    table.add_row(
        "floor, buckets full", _seconds(load.floor_seconds_with_bucket), f"{load.burst:,} more at once an account"
    )
    table.add_row("as the lanes post", _seconds(load.lanes_seconds), "98% of the quota, in whole posts")
    table.add_row(
        "all connect again", _seconds(load.storm_seconds), f"{CONNECTS_PER_SECOND} new connections a second and account"
    )
    return table


def _parts(load: Load) -> Table:
    table = Table("part", "a cell", "in all", "", title="Parts", title_justify="left")
    cells = load.cells
    for name, of_cell, note in (
        ("connections", load.cell_connections, f"cells: {cells}, accounts: {load.accounts}"),
        ("partitions", load.cell_partitions, "of 1,000 at most, half full when a quarter more is opened"),
        ("sources", load.sources // cells, "of about 4,000 recipients"),
        ("chunks", load.chunks // cells, f"of 500 at most; a message has {load.chunk_message_bytes:,} bytes"),
        ("lanes", load.lanes, f"{load.shards} shards x 2, each {load.lane_rate:,} posts a second"),
    ):
        in_all = load.connections if name == "connections" else of_cell * cells
        table.add_row(name, f"{of_cell:,}", f"{in_all:,}", note)
    units = query_units_per_second(load)
    of_key = f"written by {load.queries} x query; {units * load.queries_of_a_key:,.0f} of them under one key"
    table.add_row("units a second", f"{units * load.queries:,.0f}", f"{units * load.queries * cells:,.0f}", of_key)
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
