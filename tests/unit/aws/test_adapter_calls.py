"""Every call of the DynamoDB adapters: errors name it, the SDK finds no fault with it, and it reads consistently."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from functions.connections.connect.dynamodb import DynamoRegister
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.broadcast.model import Tally, TallyKey
from loudhailer.broadcast.report import summarise
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.model import Lease
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.cells.placements.model import Placement
from loudhailer.codec import JsonText
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.errors import TransientError
from loudhailer.history.dynamodb import DynamoHistoryStore, DynamoPublicationStore
from loudhailer.history.model import Head, Position, Publication
from loudhailer.ids import (
    BroadcastId,
    Channel,
    ChannelKey,
    ChunkId,
    ClientMessageId,
    ConnectionId,
    Epoch,
    PlayerId,
    ProbeId,
    RoomKey,
    SessionId,
    TenantId,
    nth_partition,
)
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.inbox.model import DirectMessage, Inbox, MessageId
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.model import Inquiry, connects_of_tenant
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.partitions.model import Sample
from loudhailer.rooms.dynamodb import DynamoRoomStore
from loudhailer.rooms.model import Membership, NickName
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant, TenantRow, Tombstone
from loudhailer.websocket.sent.dynamodb import DynamoSentStore
from loudhailer.websocket.sent.model import Attempt
from tests.support.broadcasts import BROADCAST, NORTH, NOW, chunk, source, summary
from tools.emulator.aws.request_shapes import problem_of

ACME, S1, ANN, LOBBY = TenantId("acme"), SessionId("s1"), PlayerId("ann"), RoomKey("lobby")
FIRST = nth_partition(ACME, 0)
KEY = ConnectionKey(FIRST, ConnectionId("a"))
CONNECTION = Connection(KEY, S1, 100, 7_600)
SAMPLE = Sample(1, "", 60)
TALLY = TallyKey(BROADCAST, ChunkId("0.0"))
ATTEMPT = Attempt(ACME, "player ann", ClientMessageId("m1"), "hash", "r1", 1_000)
MESSAGE = DirectMessage(Inbox(ACME, ANN), MessageId("m1"), JsonText('"hello"'), PlayerId("bob"), 1_000, 2)
COUNTER = connects_of_tenant(ACME)


class Refusing:
    """A client whose every call ends with an error; the first one is kept."""

    def __init__(self) -> None:
        self.operation = ""
        self.request: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**request: Any) -> Any:
            self.operation, self.request = "".join(word.capitalize() for word in name.split("_")), request
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": "no"}}, self.operation)

        return call

    def get_paginator(self, name: str) -> Any:
        """Pages of which there is none."""

        class Pages:
            @staticmethod
            def paginate(**request: Any) -> Iterator[Any]:
                request.pop("PaginationConfig", None)  # the SDK's own
                yield getattr(self, name)(**request)

        return Pages


def connections(client: Any) -> DynamoConnectionStore:
    """The store of connections."""
    return DynamoConnectionStore(client, "table")


def partitions(client: Any) -> DynamoPartitionStore:
    """The store of partitions."""
    return DynamoPartitionStore(client, "table")


def tenants(client: Any) -> DynamoTenantStore:
    """The store of tenants."""
    return DynamoTenantStore(client, "table")


def sessions(client: Any) -> DynamoSessionStore:
    """The store of sessions."""
    return DynamoSessionStore(client, "table")


def limits(client: Any) -> DynamoLimitStore:
    """The store of limits."""
    return DynamoLimitStore(client, "table", pause=lambda _: None)


def broadcasts(client: Any) -> DynamoBroadcastStore:
    """The store of broadcasts, which knows under how many keys each of them is."""

    class Knowing(DynamoBroadcastStore):
        def _keys_of(self, broadcast_id: BroadcastId) -> int:  # noqa: ARG002  # all are alike
            return 1

    return Knowing(client, "table", clock=lambda: 0)


def snapshots(client: Any) -> DynamoSnapshotStore:
    """The store of cells' snapshots."""
    return DynamoSnapshotStore(client, "table", clock=lambda: 0)


def cells(client: Any) -> DynamoCellDirectory:
    """The directory of cells."""
    return DynamoCellDirectory(client, "table")


def placements(client: Any) -> DynamoPlacementStore:
    """The store of placements."""
    return DynamoPlacementStore(client, "table")


def rooms(client: Any) -> DynamoRoomStore:
    """The store of rooms."""
    return DynamoRoomStore(client, "table")


def places(client: Any) -> DynamoPlaceStore:
    """The store of places."""
    return DynamoPlaceStore(client, "table")


def lanes(client: Any) -> DynamoLaneStore:
    """The store of lanes."""
    return DynamoLaneStore(client, "table")


def inboxes(client: Any) -> DynamoInboxStore:
    """The store of inboxes."""
    return DynamoInboxStore(client, "table")


def sent(client: Any) -> DynamoSentStore:
    """The store of messages that clients may send again."""
    return DynamoSentStore(client, "table")


def history(client: Any) -> DynamoHistoryStore:
    """The order of channels' messages."""
    return DynamoHistoryStore(client, "table")


def publications(client: Any) -> DynamoPublicationStore:
    """The messages that are kept."""
    return DynamoPublicationStore(client, "table")


NEWS, EPOCH = ChannelKey("acme#news"), Epoch("e")
HEAD = Head(epoch=EPOCH, generation=1, made_at=1)
PUBLICATION = Publication(
    tenant=ACME, broadcast_id=BROADCAST, channel=Channel("news"), message=JsonText("1"), published_at=1
)
LEASE = Lease(at=1, is_well=True, websocket_url="wss://x", connections=0, tenant_revision=0)
PLACEMENT = Placement(cell=NORTH, version=1, expires_at=1)

CALLS: list[tuple[str, Callable[[Any], object]]] = [
    ("BatchGetItem", lambda client: cells(client).statuses([NORTH])),
    ("UpdateItem", lambda client: cells(client).renew(NORTH, LEASE)),
    ("PutItem", lambda client: cells(client).order(NORTH, 0)),
    ("DeleteItem", lambda client: cells(client).order(NORTH, None)),
    ("GetItem", lambda client: cells(client).tenant_revision()),
    ("BatchGetItem", lambda client: placements(client).get(ACME, ["session#s1"])),
    ("PutItem", lambda client: placements(client).put(ACME, "session#s1", PLACEMENT)),
    ("PutItem", lambda client: placements(client).put(ACME, "session#s1", replace(PLACEMENT, version=2))),
    ("PutItem", lambda client: placements(client).add_cell(ACME, NORTH, 1)),
    ("Query", lambda client: placements(client).cells_of(ACME)),
    ("DeleteItem", lambda client: placements(client).remove_cell(ACME, NORTH, 1)),
    ("Query", lambda client: placements(client).forget(ACME)),
    ("Scan", lambda client: tenants(client).all_rows()),
    ("PutItem", lambda client: tenants(client).copy(TenantRow(ACME, 1, None, Tombstone(ACME, None)))),
    ("UpdateItem", lambda client: broadcasts(client).take_version(BROADCAST, 1)),
    ("UpdateItem", lambda client: snapshots(client).put(BROADCAST, NORTH, 1, summarise(summary(), [], 0, []))),
    ("BatchGetItem", lambda client: snapshots(client).of(BROADCAST, [NORTH])),
    ("GetItem", lambda client: connections(client).get(KEY)),
    ("Query", lambda client: list(connections(client).in_partition(FIRST, after=None, not_expired_at=0))),
    ("Query", lambda client: DynamoDeviceStore(client, "table").of_player(ACME, ANN)),
    ("DeleteItem", lambda client: DynamoDeviceStore(client, "table").forget(ACME, ANN, [KEY.connection_id])),
    ("Query", lambda client: connections(client).in_room(ACME, LOBBY)),
    ("BatchGetItem", lambda client: connections(client).connected_at([KEY])),
    ("Query", lambda client: connections(client).size_and_expired(FIRST, 0)),
    ("Query", lambda client: connections(client).size(FIRST)),
    ("PutItem", lambda client: connections(client).probe(FIRST, ProbeId("p"), 0)),
    ("DeleteItem", lambda client: connections(client).delete(KEY)),
    ("BatchExecuteStatement", lambda client: connections(client).delete_all([KEY])),
    ("DeleteItem", lambda client: connections(client).delete_if_expired(KEY, 0)),
    ("DeleteItem", lambda client: connections(client).delete_if_older(KEY, 0)),
    ("Query", lambda client: partitions(client).of(ACME)),
    ("Scan", lambda client: partitions(client).everywhere()),
    ("Scan", lambda client: partitions(client).first_everywhere(10)),
    ("Scan", lambda client: partitions(client).segment(0, of=2, most=10)),
    ("PutItem", lambda client: partitions(client).open(FIRST)),
    ("BatchGetItem", lambda client: partitions(client).checkpoints([FIRST])),
    ("UpdateItem", lambda client: partitions(client).advance(FIRST, seen="", checkpoint="1", delta=1)),
    ("UpdateItem", lambda client: partitions(client).mark_for_recount(FIRST)),
    ("UpdateItem", lambda client: partitions(client).keep_sample(FIRST, SAMPLE, recount=True)),
    ("UpdateItem", lambda client: partitions(client).correct(FIRST, SAMPLE)),
    ("UpdateItem", lambda client: partitions(client).retire(FIRST, checkpoint="", at=1)),
    ("UpdateItem", lambda client: partitions(client).reinstate(FIRST)),
    ("DeleteItem", lambda client: partitions(client).remove(FIRST, checkpoint="")),
    ("GetItem", lambda client: tenants(client).get(ACME)),
    ("Scan", lambda client: tenants(client).all_tenants()),
    ("PutItem", lambda client: tenants(client).put(Tenant(ACME, 1, 2, 3, 4, 5, 6))),
    ("UpdateItem", lambda client: tenants(client).begin_erasing(ACME)),
    ("PutItem", lambda client: tenants(client).end_erasing(ACME, 1)),
    ("Scan", lambda client: tenants(client).tombstones()),
    ("Query", lambda client: list(sessions(client).of_tenant(ACME))),
    ("Scan", lambda client: limits(client).forget(ACME)),
    ("GetItem", lambda client: sessions(client).get(ACME, S1)),
    ("UpdateItem", lambda client: sessions(client).renew(ACME, S1, player=None, expires_at=1, now=0)),
    ("GetItem", lambda client: sessions(client).keep_alive(ACME, S1, session_seconds=1, now=0)),
    ("UpdateItem", lambda client: sessions(client).extend(ACME, S1, 1)),
    ("DeleteItem", lambda client: sessions(client).delete(ACME, S1)),
    ("UpdateItem", lambda client: sessions(client).forget(ACME, S1, [KEY])),
    ("BatchExecuteStatement", lambda client: sessions(client).forget_all({(ACME, S1): [KEY]})),
    ("Scan", lambda client: list(sessions(client).delete_expired(0))),
    ("Query", lambda client: list(sessions(client).count(ACME, 0))),
    ("UpdateItem", lambda client: places(client).take(ACME, "sessions", 1, expires_at=1)),
    ("UpdateItem", lambda client: places(client).claim_count(ACME, "sessions", now=1, every=1)),
    ("UpdateItem", lambda client: places(client).correct(ACME, "sessions", seen=1, counted=1)),
    ("Query", lambda client: places(client).names(ACME)),
    ("BatchWriteItem", lambda client: places(client).delete(ACME, ["sessions"])),
    ("UpdateItem", lambda client: lanes(client).mark("normal", 1)),
    ("GetItem", lambda client: lanes(client).marks()),
    ("UpdateItem", lambda client: limits(client).reserve(ACME, 1)),
    ("UpdateItem", lambda client: limits(client).release(ACME, 1)),
    ("GetItem", lambda client: limits(client).total(ACME)),
    ("UpdateItem", lambda client: limits(client).keep_inquiry(ACME, None)),
    ("UpdateItem", lambda client: limits(client).repair(ACME, -1, seen=Inquiry(0, 0))),
    ("UpdateItem", lambda client: limits(client).count_in_minute(COUNTER, 0)),
    ("UpdateItem", lambda client: limits(client).refuse_from(COUNTER, 0, "1")),
    ("GetItem", lambda client: limits(client).refused_from(COUNTER, 0)),
    ("UpdateItem", lambda client: limits(client).take_in_minute(COUNTER, 0, 1, maximum=1)),
    ("PutItem", lambda client: broadcasts(client).record(summary())),
    ("TransactWriteItems", lambda client: broadcasts(client).record_small(summary(), source(), chunk())),
    ("UpdateItem", lambda client: broadcasts(client).mark_announced(BROADCAST)),
    ("BatchGetItem", lambda client: broadcasts(client).positions_of([BROADCAST])),
    ("UpdateItem", lambda client: broadcasts(client).note_position(BROADCAST, Position(EPOCH, 1))),
    ("UpdateItem", lambda client: broadcasts(client).cancel(BROADCAST)),
    ("UpdateItem", lambda client: broadcasts(client).mark_expired(BROADCAST)),
    ("UpdateItem", lambda client: broadcasts(client).live_again(BROADCAST)),
    ("GetItem", lambda client: broadcasts(client).summary(BROADCAST)),
    ("TransactWriteItems", lambda client: broadcasts(client).fix_sources(BROADCAST, [source()])),
    ("Query", lambda client: broadcasts(client).sources(BROADCAST)),
    ("GetItem", lambda client: broadcasts(client).source(BROADCAST, 0)),
    ("UpdateItem", lambda client: broadcasts(client).complete_sources(BROADCAST, 1, 1, NOW)),
    ("PutItem", lambda client: broadcasts(client).fix_chunk(BROADCAST, chunk())),
    ("GetItem", lambda client: broadcasts(client).chunk(BROADCAST, ChunkId("0.0"))),
    ("Query", lambda client: broadcasts(client).chunk_sizes(BROADCAST, 0)),
    (
        "TransactWriteItems",
        lambda client: broadcasts(client).complete_source(BROADCAST, 0, chunks=1, dispatched=1, now=NOW),
    ),
    ("UpdateItem", lambda client: broadcasts(client).reopen_sources(BROADCAST, "letter")),
    ("BatchGetItem", lambda client: broadcasts(client).tallies_of([TALLY])),
    ("UpdateItem", lambda client: broadcasts(client).replace_tally(TALLY, None, Tally(size=1))),
    ("Query", lambda client: broadcasts(client).tallies(BROADCAST)),
    ("GetItem", lambda client: history(client).head(NEWS)),
    ("PutItem", lambda client: history(client).begin(NEWS, HEAD, 1)),
    ("UpdateItem", lambda client: history(client).append(NEWS, HEAD, BROADCAST, 1)),
    ("PutItem", lambda client: history(client).keep_segment(NEWS, HEAD, 1)),
    ("UpdateItem", lambda client: history(client).move(NEWS, HEAD, HEAD)),
    ("Query", lambda client: history(client).segments(NEWS, EPOCH, 0, 1)),
    ("Scan", lambda client: history(client).forget(ACME)),
    ("PutItem", lambda client: publications(client).put(PUBLICATION, 1)),
    ("BatchGetItem", lambda client: publications(client).of(ACME, [BROADCAST])),
    ("Scan", lambda client: publications(client).forget(ACME)),
    ("GetItem", lambda client: rooms(client).join(KEY, Membership(LOBBY, NickName("Ann")))),
    ("GetItem", lambda client: rooms(client).membership(KEY)),
    ("Query", lambda client: rooms(client).members(ACME, LOBBY, limit=5)),
    ("Query", lambda client: rooms(client).size(ACME, LOBBY, limit=5)),
    ("DeleteItem", lambda client: rooms(client).remove(KEY)),
    ("PutItem", lambda client: inboxes(client).put(MESSAGE)),
    ("Query", lambda client: inboxes(client).oldest(MESSAGE.inbox, 5)),
    ("Query", lambda client: list(inboxes(client).count(MESSAGE.inbox))),
    ("Query", lambda client: inboxes(client).has(MESSAGE.inbox, MESSAGE.message_id)),
    ("UpdateItem", lambda client: inboxes(client).note_taken(MESSAGE, [KEY.connection_id])),
    ("BatchWriteItem", lambda client: inboxes(client).delete([MESSAGE])),
    ("UpdateItem", lambda client: sent(client).begin(ATTEMPT, now=0)),
    ("UpdateItem", lambda client: sent(client).release(ATTEMPT)),
    ("UpdateItem", lambda client: sent(client).finish(ATTEMPT)),
    (
        "TransactWriteItems",
        lambda client: DynamoRegister(client, "table", "table", "table").record(
            CONNECTION, connections_per_session=1, session_expires_at=1
        ),
    ),
]


@pytest.mark.parametrize(("operation", "call"), CALLS)
def test_every_adapter_call_is_valid_named_and_reads_consistently(
    operation: str, call: Callable[[Any], object]
) -> None:
    """An operator sees which call it was; the shipped client does not check it; a new row is seen."""
    client = Refusing()
    with pytest.raises(TransientError) as raised:
        call(client)
    assert str(raised.value).startswith(f"{operation} failed: ")
    assert client.operation == operation
    assert problem_of("dynamodb", operation, client.request) == ""
    tables = client.request.get("RequestItems", {"table": client.request})
    assert [*tables] == ["table"] or operation == "TransactWriteItems"
    if operation in {"GetItem", "BatchGetItem", "Query"} and "IndexName" not in client.request:
        consistent = tables["table"].get("ConsistentRead", False)
        assert consistent is (client.request.get("Key") != {"tenantId": {"S": ACME}})


def test_no_transaction_names_the_table_of_history() -> None:
    """Plain updates of a head are carried out one after the other; a transaction would refuse them, or be refused."""
    client: Any = Refusing()
    operations = []
    for _, call in CALLS:
        if {"history", "HEAD"} & set(call.__code__.co_names):
            with pytest.raises(TransientError):
                call(client)
            operations.append(client.operation)
    assert len(operations) == 7
    assert "TransactWriteItems" not in operations


def test_a_further_cell_reads_the_hubs_tenants_consistently() -> None:
    """It read their revision before: it would not look for a row again that it missed."""
    client: Any = Refusing()
    with pytest.raises(TransientError):
        DynamoTenantStore(client, "table").all_rows()
    assert client.request["ConsistentRead"] is True


def test_only_the_needed_attributes_of_recipients_are_read() -> None:
    """Their id and time of connecting: each attribute that is read costs time and money."""
    client: Any = Refusing()
    with pytest.raises(TransientError):
        list(connections(client).in_partition(FIRST, after=None, not_expired_at=0))
    assert client.request["ProjectionExpression"] == "connectionId, connectedAt"
