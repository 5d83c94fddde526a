"""Work of the functions for a broadcast and for a connection, in seconds of Lambda: an estimate.

CPU is what `docs/benchmarks.md` measured (2026-11-22, 10,000 sockets, one core of an AMD EPYC). A function of less than
1,769 MB has a share of a vCPU, so that its CPU takes longer; on top come the waits for its calls of AWS.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-memory.html
"""

from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from tools.planner.load import CONNECTION_ROW_BYTES, Load
from tools.planner.prices import CONNECTS_PER_SECOND, DYNAMODB_READ_BYTES

KEPT_CREDENTIALS = 4_096
CREDENTIALS_SECONDS = 2_700
"""As `loudhailer.aws.tenant_credentials` has them. A test compares them: the module would import the SDK."""

_VCPU_MB = 1_769
_MEMORY_MB = 512
_PUBLISH_MB = 1_024
_CALL_SECONDS = Decimal("0.005")
"""One call of DynamoDB, SQS or SNS: assumed, nothing is measured in AWS."""

_SWARM_SECONDS, _QUERY_SECONDS = Decimal("1.61e-6"), Decimal("14.4e-6")
_POST_SECONDS, _SETTLE_SECONDS = Decimal("44.9e-6"), Decimal("7.81e-6")
_INVOCATION_SECONDS = Decimal("6432e-6")
"""CPU of `publish`, which makes a few calls; functions that do as much and were not measured are taken for alike."""

_OUTCOMES_A_BATCH = 10
_SOURCES_A_GROUP = 100


@dataclass(frozen=True, slots=True)
class Work:
    """Work of a function for one event: the number of invocations, and their seconds in all."""

    function: str
    invocations: Decimal
    seconds: Decimal
    memory_mb: int = _MEMORY_MB

    def gb_seconds(self, times: Decimal) -> Decimal:
        """GB-seconds for so many events."""
        return self.seconds * times * self.memory_mb / 1024


def for_broadcast(load: Load) -> list[Work]:
    """The work for one broadcast, in all cells."""
    people, sources, chunks = load.connections, load.sources, load.chunks
    groups = load.cells * ceil(len(load.cell_sources) / _SOURCES_A_GROUP)
    batches = ceil(chunks / _OUTCOMES_A_BATCH)
    # A lane posts no faster than its rate, however little CPU that takes.
    posting = max(people * _POST_SECONDS, Decimal(people) / load.lane_rate)
    return [
        Work("publish", Decimal(1), _INVOCATION_SECONDS * _VCPU_MB / _PUBLISH_MB + 5 * _CALL_SECONDS, _PUBLISH_MB),
        _work("swarm", load.cells, people * _SWARM_SECONDS, calls=6 * load.cells + groups + ceil(sources / 10)),
        _work("query", sources, people * _QUERY_SECONDS, calls=5 * sources + chunks),
        Work("post_message", Decimal(chunks), posting + chunks * _CALL_SECONDS, _VCPU_MB),
        _work("settle", batches, people * _SETTLE_SECONDS, calls=batches + chunks),
    ]


def for_connection() -> list[Work]:
    """The work for a connection, from its session's renewal to its end; `accounting`, which counts, comes apart."""
    return [
        _work("session_api", 1, _INVOCATION_SECONDS, calls=2),
        AUTHORIZER,
        _work("connect", 1, _INVOCATION_SECONDS, calls=4),
        _work("disconnect", 1, _INVOCATION_SECONDS, calls=1),
    ]


def for_change() -> Work:
    """The work of `accounting` for a connection that opens or closes: 60 us each, the dearer of what was measured."""
    return _work("accounting", 0, Decimal("60e-6"), calls=0)


def query_units_per_second(load: Load) -> Decimal:
    """Write units a second that one `query` takes of the table of broadcasts: it puts one chunk after the other."""
    return ceil(Decimal(load.chunk_row_bytes) / 1024) / _seconds_a_chunk(load)


def query_read_units_per_second(load: Load) -> Decimal:
    """Read units a second that one `query` takes of the table of connections: it reads what it puts into chunks."""
    people = min(load.connections, load.chunk_size)
    return Decimal(people * CONNECTION_ROW_BYTES) / DYNAMODB_READ_BYTES / _seconds_a_chunk(load)


def _seconds_a_chunk(load: Load) -> Decimal:
    people = min(load.connections, load.chunk_size)
    return _work("query", 1, people * _QUERY_SECONDS, calls=1).seconds


def concurrency(load: Load) -> dict[str, int]:
    """Environments of an account that are busy at once, by function: in a storm of connects, and in a broadcast."""
    storm = {work.function: work.seconds * CONNECTS_PER_SECOND for work in for_connection()}
    seconds = max(load.lanes_seconds, Decimal(1))
    stages = {work.function: work.seconds / load.accounts / seconds for work in for_broadcast(load)}
    lanes = Decimal(load.lanes * load.cells) / load.accounts
    return {function: ceil(busy) for function, busy in {**storm, **stages, "post_message": lanes}.items()}


def for_tenants(load: Load) -> list[tuple[Work, Decimal]]:
    """The work of each function that acts as one tenant, and its events in an account in a second.

    A direct message is handled by two of them. Every message counts as one: a message to a room, the silo or the pool
    is handled by one. A leave is announced by `presence`. A session ends with each connection at most.
    """
    messages, changes = Decimal(load.messages_per_second), Decimal(load.room_changes_per_second)
    ends = Decimal(load.connections) / load.accounts / (load.connection_minutes * 60)
    return [
        (_work("send_message", 1, _INVOCATION_SECONDS, calls=4), messages),
        (_work("relay_message", 1, _INVOCATION_SECONDS, calls=4), messages),
        (_work("join_room", 1, _INVOCATION_SECONDS, calls=4), changes),
        (_work("subscribe", 1, _INVOCATION_SECONDS, calls=8), Decimal(load.subscriptions_per_second)),
        (_work("publish_frame", 1, _INVOCATION_SECONDS, calls=10), Decimal(load.channel_messages_per_second)),
        (_work("presence", 1, _INVOCATION_SECONDS, calls=2), changes),
        (_work("end_session", 1, _INVOCATION_SECONDS, calls=2), ends),
    ]


def first_credentials(load: Load) -> int:
    """AssumeRole calls after a release in an account: each environment needs the credentials of each tenant once."""
    return sum(load.tenants * ceil(events * work.seconds) for work, events in for_tenants(load))


def assumed_per_second(load: Load) -> Decimal:
    """AssumeRole calls a second in an account, by the functions that act as one tenant.

    An environment keeps the credentials of the tenants that it met last. It requests the credentials of a further
    tenant, and renews expiring ones, at most once per invocation.
    """
    missed = max(Decimal(0), 1 - Decimal(KEPT_CREDENTIALS) / load.tenants)
    kept = min(load.tenants, KEPT_CREDENTIALS)
    return sum(
        (
            min(events, events * missed + Decimal(kept * ceil(events * work.seconds)) / CREDENTIALS_SECONDS)
            for work, events in for_tenants(load)
        ),
        Decimal(0),
    )


def _work(function: str, invocations: int, cpu: Decimal, *, calls: int) -> Work:
    return Work(function, Decimal(invocations), cpu * _VCPU_MB / _MEMORY_MB + calls * _CALL_SECONDS)


AUTHORIZER = _work("authorizer", 1, _INVOCATION_SECONDS, calls=2)
