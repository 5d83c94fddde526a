"""The bill of a month: a load's use of each service, and its price.

Not on it: what functions log and count (CloudWatch), what logs cost while they are kept, SNS, the registry, support and
taxes. All broadcasts are to everyone; a small one costs less than a thousandth of a cent.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil

from tools.planner import prices, work
from tools.planner.load import CONNECTION_ROW_BYTES, Load
from tools.planner.prices import MINUTES_A_MONTH, Price
from tools.planner.work import Work

_PONG_BYTES = 17
_ACCESS_LINE = (
    '{"requestId":"TR4nsFkzoAMEJ2A=","time":"1800000000000","event":"MESSAGE","route":"ping","status":"200",'
    '"connectionId":"L0SM9cOFvHcCIhw=","tenantId":"tenant-a","sourceIp":"203.0.113.17","error":"-","integration":"-"}'
)
"""A line as the stage of the WebSocket API writes it."""
_PLATFORM_LINE_BYTES = (90, 56, 150)
"""START, END and REPORT of an invocation, in plain text.
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html"""
_FRAME_HEADER_BYTES = 4
_PARTITION_ROW_BYTES = 150
_SESSION_ROW_BYTES = 200
_TALLY_ROW_BYTES = 500
_DAYS_KEPT = 7

_WRITES_A_CONNECTION = 14
"""The line of its cell (1); the session put (1); the total reserved (1); two minutes counted (2); row and session in
one transaction (4); the row deleted (1); taken out of its session (1); counted twice (2), released (1). One of a player
costs 2 more, its device in the transaction, and each wake that finds messages 2 reads; no players are assumed here."""
_READS_A_CONNECTION = 6
"""The line of its cell (1); tenant and session for PUT and authorizer (3); a checkpoint for each change (2)."""
_SOURCE_ROW_BYTES = 1024

WARM_MB = 3 * 512 + 1_024 + 2 * 1_769
"""Memory of `swarm`, `query`, `settle`, of `publish`, and of the two that post, as the hub has it."""

_PIPELINE_QUEUES = 6
_POLLS_A_MINUTE = 2 * 3
"""Lambda's pollers go down to two a queue, and wait 20 seconds for a message.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
_TIMES_A_MESSAGE = 3
"""Sent, received, deleted: at most, since some of it is done for several messages in one request."""


@dataclass(frozen=True, slots=True)
class BillItem:
    """A line of the bill; `note` names the units."""

    name: str
    units: Decimal
    price: Price
    note: str

    @property
    def cost(self) -> Decimal:
        """US dollars, unrounded."""
        return self.price.of(self.units)


def total(items: Iterable[BillItem]) -> Decimal:
    """US dollars, unrounded."""
    return sum((item.cost for item in items), Decimal(0))


def functions_of_a_month(load: Load) -> list[tuple[Work, Decimal]]:
    """Return each function's work for one event, and the number of events in a month."""
    broadcasts = _broadcasts(load)
    connects = _connects(load)
    batches = Work("accounting", Decimal(1), Decimal(0))
    return [
        *((one, broadcasts) for one in work.for_broadcast(load)),
        *((one, connects) for one in work.for_connection()),
        (work.for_change(), 2 * connects),
        # A stream's batches are gathered for a second, or for a thousand changes.
        (batches, min(2 * connects, Decimal(load.cells * 60 * MINUTES_A_MONTH))),
    ]


def bill(load: Load) -> list[BillItem]:
    """The lines, in the order of the way that a frame goes."""
    deliveries = _deliveries(load)
    pings = _pings(load)
    connects = _connects(load)
    functions = functions_of_a_month(load)
    units = parts(load.frame_bytes, prices.GATEWAY_MESSAGE_BYTES)
    invocations = sum((one.invocations * times for one, times in functions), Decimal(0))
    traces = _traces(invocations) if load.tracing else Decimal(0)
    platform = invocations * sum(size + prices.LOG_LINE_BYTES for size in _PLATFORM_LINE_BYTES) / prices.GB
    lines = pings + 3 * connects
    bytes_out = deliveries * (load.frame_bytes + _FRAME_HEADER_BYTES) + pings * (_PONG_BYTES + _FRAME_HEADER_BYTES)
    return [
        BillItem(
            "connection minutes",
            Decimal(load.connections) * MINUTES_A_MONTH,
            prices.CONNECTION_MINUTES,
            f"{load.connections:,} connections, all month",
        ),
        BillItem(
            "gateway messages",
            deliveries * units + pings * 2,
            prices.GATEWAY_MESSAGES,
            f"{deliveries * units:,.0f} for frames ({units} of 32 KB each), {pings * 2:,.0f} for pings and pongs, "
            "which no function answers",
        ),
        BillItem("HTTP API requests", connects, prices.HTTP_REQUESTS, "PUT /session before each connect"),
        BillItem(
            "Lambda requests",
            invocations,
            prices.LAMBDA_REQUESTS,
            "all functions",
        ),
        BillItem(
            "Lambda GB-seconds",
            sum((one.gb_seconds(times) for one, times in functions), Decimal(0)),
            prices.LAMBDA_ARM64,
            "arm64; an estimate, by function below",
        ),
        BillItem(
            "kept warm",
            Decimal(WARM_MB) / 1024 * 60 * MINUTES_A_MONTH if load.warm else Decimal(0),
            prices.LAMBDA_WARM,
            "GB-seconds; one environment of each of the hub's functions on a broadcast's way, with --warm",
        ),
        BillItem("DynamoDB writes", _writes(load), prices.DYNAMODB_WRITES, "units of 1 KB"),
        BillItem("DynamoDB reads", _reads(load), prices.DYNAMODB_READS, "units of 4 KB, consistent"),
        BillItem(
            "reads of reconcile",
            _reads_of_reconcile(load),
            prices.DYNAMODB_READS,
            "a sixtieth of the sessions and of the connections a minute, all partitions",
        ),
        BillItem("DynamoDB storage", _gigabytes(load), prices.DYNAMODB_STORAGE, "GB; a report is kept a week"),
        BillItem(
            "DynamoDB streams", 2 * connects, prices.DYNAMODB_STREAM_READS, "records; Lambda reads them free of charge"
        ),
        BillItem(
            "SQS requests",
            _messages(load) * _TIMES_A_MESSAGE + idle_polls(load.cells, load.shards),
            prices.SQS_REQUESTS,
            "units of 64 KB, idle polls too",
        ),
        BillItem(
            "SQS fair queues",
            _grouped_messages(load) * _TIMES_A_MESSAGE,
            prices.SQS_FAIR_QUEUES,
            "units of 64 KB of messages with a group, on top of the requests",
        ),
        BillItem(
            "access logs",
            lines * (len(_ACCESS_LINE) + prices.LOG_LINE_BYTES) / prices.GB,
            prices.LOGS,
            f"GB; {pings:,.0f} lines of pings, {3 * connects:,.0f} of sessions, connects and disconnects",
        ),
        BillItem(
            "Lambda's own log lines",
            Decimal(0),
            prices.LAMBDA_LOGS,
            f"GB; none but of trouble: at INFO they would cost {prices.LAMBDA_LOGS.of(platform):,.2f} USD",
        ),
        BillItem("X-Ray traces", traces, prices.XRAY_TRACES, "a twentieth of the invocations, with --tracing"),
        BillItem("egress", bytes_out / prices.GB, prices.EGRESS, "GB of frames"),
    ]


def per_million_deliveries(load: Load) -> tuple[Decimal, Decimal] | None:
    """The bill by million deliveries, and how much of that is due to the broadcasts; None if there are none."""
    if not load.broadcasts_per_hour:
        return None
    everything = total(bill(load))
    silent = total(bill(replace(load, broadcasts_per_hour=Decimal(0))))
    millions = _deliveries(load) / 10**6
    return everything / millions, (everything - silent) / millions


def idle_polls(cells: int, shards: int) -> Decimal:
    """Return the requests of Lambda's pollers in a month without messages, to the queues of a broadcast."""
    return Decimal(cells * (_PIPELINE_QUEUES + shards) * _POLLS_A_MINUTE * MINUTES_A_MONTH)


def parts(size: int, part: int) -> int:
    """Return how many parts are begun by so many bytes."""
    return ceil(size / part)


def _broadcasts(load: Load) -> Decimal:
    return load.broadcasts_per_hour * MINUTES_A_MONTH / 60


def _deliveries(load: Load) -> Decimal:
    return _broadcasts(load) * load.connections


def _connects(load: Load) -> Decimal:
    return Decimal(load.connections) * MINUTES_A_MONTH / load.connection_minutes


def _pings(load: Load) -> Decimal:
    return (
        Decimal(load.connections) * MINUTES_A_MONTH / load.keep_alive_minutes if load.keep_alive_minutes else Decimal(0)
    )


def _traces(invocations: Decimal) -> Decimal:
    first = min(invocations, Decimal(prices.TRACED_A_SECOND * 60 * MINUTES_A_MONTH))
    return first + (invocations - first) * prices.TRACED_SHARE


def _writes(load: Load) -> Decimal:
    chunk = parts(load.chunk_row_bytes, prices.DYNAMODB_WRITE_BYTES) + 1
    # Fixed in one transaction; completed in another, together with the empty chunk that ends it.
    source = 2 * parts(_SOURCE_ROW_BYTES, prices.DYNAMODB_WRITE_BYTES) * 3
    broadcast = load.chunks * chunk + load.sources * source + 3 * load.cells
    return _broadcasts(load) * broadcast + _connects(load) * _WRITES_A_CONNECTION


def _reads(load: Load) -> Decimal:
    broadcast = _units_of_everyone(load) + _units_of_partitions(load) + load.chunks + 4 * load.sources
    # Each environment of `authorizer` that is busy reads its cell's partitions every two seconds, not consistently.
    busy = ceil(_connects(load) / (MINUTES_A_MONTH * 60) / load.cells * work.AUTHORIZER.seconds)
    assigned = _units_of_partitions(load) * busy * MINUTES_A_MONTH * 30 / Decimal(2)
    return _broadcasts(load) * broadcast + _connects(load) * _READS_A_CONNECTION + assigned


def _reads_of_reconcile(load: Load) -> Decimal:
    # Sessions are not read consistently; each client has one, it is assumed.
    sessions = parts(load.connections * _SESSION_ROW_BYTES, prices.DYNAMODB_READ_BYTES) / Decimal(2)
    a_minute = _units_of_partitions(load) + (_units_of_everyone(load) + sessions) / 60
    return a_minute * MINUTES_A_MONTH


def _units_of_everyone(load: Load) -> int:
    return parts(load.connections * CONNECTION_ROW_BYTES, prices.DYNAMODB_READ_BYTES)


def _units_of_partitions(load: Load) -> int:
    return load.cells * parts(load.cell_partitions * _PARTITION_ROW_BYTES, prices.DYNAMODB_READ_BYTES)


def _gigabytes(load: Load) -> Decimal:
    report = load.chunks * (load.chunk_row_bytes + _TALLY_ROW_BYTES) + load.sources * _SOURCE_ROW_BYTES
    rows = load.chunks * 2 + load.sources
    kept = load.broadcasts_per_hour * 24 * _DAYS_KEPT * (report + rows * prices.DYNAMODB_ROW_BYTES)
    connection_rows = load.connections * (CONNECTION_ROW_BYTES + prices.DYNAMODB_ROW_BYTES)
    return (kept + connection_rows) / prices.GB


def _messages(load: Load) -> Decimal:
    """Messages of a month in units of 64 KB: announcements, sources, chunks and outcomes."""
    return _grouped_messages(load) + _broadcasts(load) * load.chunks


def _grouped_messages(load: Load) -> Decimal:
    """Messages of a month in units of 64 KB, without the outcomes."""
    chunk = parts(load.chunk_message_bytes, prices.SQS_REQUEST_BYTES)
    other = parts(load.frame_bytes, prices.SQS_REQUEST_BYTES)
    return _broadcasts(load) * ((load.cells + load.sources) * other + load.chunks * chunk)
