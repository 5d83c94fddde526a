"""Division of a load by Loudhailer: partitions, sources, chunks, lanes, and the times that follow.

The functions' own code is called where it decides: sources are cut by `swarm`, frames and messages are made by
`loudhailer.broadcast` and measured. Settings of Terraform have the defaults of the module `cell`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from math import ceil, floor, isfinite

from functions.broadcast.swarm.swarm import plan
from loudhailer import codec
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.estimate import START_SECONDS
from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.packing import pack
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES, Payload, broadcast_frame
from loudhailer.broadcast.search import size_of_chunks
from loudhailer.ids import BroadcastId, ChunkId, ConnectionId, Partition, TenantId, nth_partition
from tools.errors import OperatorError
from tools.planner.prices import CONNECTS_PER_SECOND

_HEADROOM = Decimal("0.98")
_WORKERS_A_SHARD = 2
CHUNK_SIZE = 500
_PARTITION_SIZE = 1_000
MAX_PARTITIONS = 2_500
CONNECTION_ROW_BYTES = 150

_TENANT = TenantId("tenant-a")
_BROADCAST = BroadcastId("0" * 32)
_CONNECTION = ConnectionId("L0SM9cOFvHcCIhw=")
_ENDPOINT = "https://abcdefghij.execute-api.us-east-1.amazonaws.com/live"
_NOW = 1_800_000_000

_LIMITS: Mapping[str, tuple[int, int]] = {
    "connections": (1, 10**9),
    "cells": (1, 1_000),
    "accounts": (1, 1_000),
    "broadcasts_per_hour": (0, 3_600),
    "message_bytes": (2, MAX_MESSAGE_BYTES),
    "posts_per_second": (100, 10**6),
    "burst": (0, 10**6),
    "shards": (1, 32),
    "connection_minutes": (1, 120),
    "keep_alive_minutes": (0, 10),
    "query_concurrency": (2, 1_000),
    "broadcast_keys": (1, 64),
    "tenants": (1, 10**6),
    "messages_per_second": (0, 10**6),
    "room_changes_per_second": (0, 10**6),
    "subscriptions_per_second": (0, 10**6),
    "channel_messages_per_second": (0, 10**6),
}

MOST: Mapping[str, int] = {name: most for name, (_, most) in _LIMITS.items()}
"""The largest legal numbers of a Load."""

LET_IN = Decimal("0.99") * Decimal("0.97")
"""Part of the rate of new connections at which clients of a crowd are let in. A test compares it with `session_api`,
whose module would import the SDK."""


@dataclass(frozen=True, kw_only=True)
class Load:
    """A crowd and the messages to it; OperatorError for numbers that cannot be.

    Attributes:
        connections: how many clients are connected all the time.
        cells: how many cells they are spread over.
        accounts: how many accounts have these cells; the quotas are theirs.
        broadcasts_per_hour: each to everyone.
        message_bytes: of a broadcast's message, as JSON.
        posts_per_second: an account's API Gateway quota.
        burst: its bucket.
        shards: of a cell.
        connection_minutes: how long a client stays on one connection; API Gateway ends it after 120.
        keep_alive_minutes: how often a client sends a ping; 0 for never.
        query_concurrency: how many invocations of `query` a cell has at the same time.
        broadcast_keys: how many partition keys the rows of a broadcast are spread over.
        tenants: those of an account whose clients send messages.
        messages_per_second: what the clients of an account send: direct messages, and messages of rooms, silo and pool.
        room_changes_per_second: joins and leaves of the room that has most of them.
        subscriptions_per_second: channels that the clients of an account subscribe to.
        channel_messages_per_second: what the clients of an account publish to channels.
        tracing: functions send traces to X-Ray.
        warm: an environment of each function on the way of a broadcast is kept warm.
    """

    connections: int
    cells: int = 1
    accounts: int = 1
    broadcasts_per_hour: Decimal = Decimal(1)
    message_bytes: int = 512
    posts_per_second: int = 10_000
    burst: int = 5_000
    shards: int = 2
    connection_minutes: int = 115
    keep_alive_minutes: int = 8
    query_concurrency: int = 8
    broadcast_keys: int = 16
    tenants: int = 1
    messages_per_second: int = 0
    room_changes_per_second: int = 0
    subscriptions_per_second: int = 0
    channel_messages_per_second: int = 0
    tracing: bool = False
    warm: bool = False

    def __post_init__(self) -> None:
        for name, (least, most) in _LIMITS.items():
            value = getattr(self, name)
            if not (isfinite(value) and least <= value <= most):
                raise OperatorError(f"--{name.replace('_', '-')} must be from {least:,} to {most:,}; it is {value}.")
        if self.accounts > self.cells:
            raise OperatorError(
                f"{self.accounts} accounts have no use for {self.cells} cells.", "Give each account a cell at least."
            )
        if self.connections < self.cells:
            raise OperatorError(f"{self.connections} connections do not fill {self.cells} cells.")
        if self.frame_bytes > MAX_MESSAGE_BYTES:
            raise OperatorError(
                f"--message-bytes makes a frame of {self.frame_bytes:,} bytes; {MAX_MESSAGE_BYTES:,} are the most."
            )
        if self.requests_per_second >= self.posts_per_second:
            raise OperatorError(
                f"Clients send {self.requests_per_second:,.0f} requests a second to an account that takes "
                f"{self.posts_per_second:,}: nothing is left for posts.",
                "Plan with more accounts, or with fewer pings.",
            )
        if self.broadcasts_per_hour * self.floor_seconds > 3_600:
            raise OperatorError(
                f"A broadcast takes {self.floor_seconds:,.1f} s at least: "
                f"{self.broadcasts_per_hour} an hour do not fit.",
                "Plan with more accounts, or with fewer broadcasts.",
            )

    @cached_property
    def frame_bytes(self) -> int:
        """Bytes of the frame that each client is sent."""
        return len(_frame(self.message_bytes))

    @property
    def floor_seconds(self) -> Decimal:
        """The shortest time of a broadcast at the rate that clients leave of the accounts' quota."""
        return Decimal(self.connections) / (self._rate_left * self.accounts)

    @property
    def floor_seconds_with_bucket(self) -> Decimal:
        """The same if the accounts' buckets are full when it begins."""
        return max(self.floor_seconds - Decimal(self.burst) / self._rate_left, Decimal(0))

    @property
    def storm_seconds(self) -> Decimal:
        """Time until all are connected again."""
        return Decimal(self.connections) / (CONNECTS_PER_SECOND * self.accounts)

    @property
    def admission_seconds(self) -> Decimal:
        """Time until all are connected again as `session_api` lets them in, each after two requests to the hub."""
        return self.storm_seconds / LET_IN

    @property
    def session_requests_per_second(self) -> Decimal:
        """Requests a second to the hub while a crowd is let in."""
        return 2 * self.connections / self.admission_seconds

    @property
    def pings_per_second(self) -> Decimal:
        """Pings of an account's clients."""
        per_client = 1 / Decimal(60 * self.keep_alive_minutes) if self.keep_alive_minutes else Decimal(0)
        return self.connections * per_client / self.accounts

    @property
    def requests_per_second(self) -> Decimal:
        """Pings of an account's clients, and for each new connection its `$connect` and a `PUT /session`.

        They share the quota with the posts:
        https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
        """
        connects = Decimal(self.connections) / (60 * self.connection_minutes) / self.accounts
        return self.pings_per_second + 2 * connects

    @property
    def _rate_left(self) -> Decimal:
        return self.posts_per_second - self.requests_per_second

    @property
    def cell_posts_per_second(self) -> int:
        """The share of its account's quota that a cell is deployed with."""
        return self.posts_per_second * self.accounts // self.cells

    @property
    def lanes(self) -> int:
        """Workers of a cell that post side by side."""
        return self.shards * _WORKERS_A_SHARD

    @property
    def lane_rate(self) -> int:
        """Posts a second of a lane, one at least, while large rooms are idle: it borrows their share."""
        return max(1, floor(self.cell_posts_per_second * _HEADROOM / self.lanes))

    @property
    def lanes_seconds(self) -> Decimal:
        """The time that the lanes take for a broadcast: they post no faster than clients leave them."""
        return max(self.floor_seconds, Decimal(self.cell_connections) / (self.lane_rate * self.lanes))

    @property
    def broadcast_seconds(self) -> Decimal:
        """The time of a broadcast from its publishing on: at the end some lanes are idle, while others post a chunk."""
        rounds = ceil(self.chunks // self.cells / self.lanes)
        last = Decimal(rounds * min(self.chunk_size, self.cell_connections)) / self.lane_rate
        return Decimal(str(START_SECONDS)) + max(self.lanes_seconds, last)

    @property
    def cell_connections(self) -> int:
        """Connections of a cell, those of the fullest."""
        return ceil(self.connections / self.cells)

    @cached_property
    def cell_partitions(self) -> int:
        """Partitions of a cell that `authorizer` has opened by then, a quarter more whenever half is taken."""
        partitions = 0
        while self.cell_connections * 2 >= partitions * _PARTITION_SIZE and partitions < MAX_PARTITIONS:
            partitions += min(max(1, ceil(partitions / 4)), MAX_PARTITIONS - partitions)
        return partitions

    @cached_property
    def cell_sources(self) -> list[int]:
        """The recipients of each source of a cell."""
        each, more = divmod(self.cell_connections, self.cell_partitions)
        counts = {nth_partition(_TENANT, n): each + (n < more) for n in range(self.cell_partitions)}
        return [source.expected or 0 for source in plan(counts, first=0)]

    @property
    def sources(self) -> int:
        """Sources of a broadcast, of all cells."""
        return len(self.cell_sources) * self.cells

    @property
    def queries(self) -> int:
        """Invocations of `query` that a cell has at the same time for a broadcast."""
        return min(self.query_concurrency, len(self.cell_sources))

    @property
    def queries_of_a_key(self) -> int:
        """Queries that write under the same key: sources that follow each other have other keys."""
        return ceil(self.queries / self.broadcast_keys)

    @property
    def chunks(self) -> int:
        """Chunks of a broadcast, of all cells."""
        return sum(ceil(recipients / self.chunk_size) for recipients in self.cell_sources) * self.cells

    @property
    def chunk_size(self) -> int:
        """Recipients of a chunk: fewer in a small crowd, so that all lanes have work."""
        return size_of_chunks(self.cell_connections, lanes=self.lanes, most=CHUNK_SIZE)

    @cached_property
    def chunk_recipients(self) -> dict[Partition, list[ConnectionId]]:
        """A chunk of the usual size."""
        return {nth_partition(_TENANT, 0): [_CONNECTION] * min(self.chunk_size, self.cell_connections)}

    @cached_property
    def chunk_row_bytes(self) -> int:
        """Bytes of the row that fixes a chunk: its connections, and 150 for the key, the young, and the times."""
        return len(pack(self.chunk_recipients)) + 150

    @cached_property
    def chunk_message_bytes(self) -> int:
        """Bytes of the message that carries a chunk to its shard."""
        size = min(self.chunk_size, self.cell_connections)
        return len(
            ChunkMessage(
                broadcast_id=_BROADCAST,
                chunk_id=ChunkId("100.10"),
                endpoint=_ENDPOINT,
                recipients=self.chunk_recipients,
                young=0,
                young_until=_NOW,
                remaining=bitmaps.full(size),
                attempt=1,
                payload=Payload.of(_frame(self.message_bytes)),
                published_at=_NOW * 1_000,
                expires_at=_NOW,
            ).to_wire()
        )


def _frame(message_bytes: int) -> str:
    """The frame of a message that is a string of so many bytes with its quotes."""
    return broadcast_frame(_BROADCAST, _NOW * 1_000, codec.json_text("x" * (message_bytes - 2)))
