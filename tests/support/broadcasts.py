"""Broadcasts for the tests: messages, rows and hypothesis strategies, made in this one place."""

from itertools import count

from hypothesis import strategies as st

from loudhailer import codec, ids
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfChannel, OfPlayer, OfSession, OfTenant
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.messages import EVERYONE, Announcement, ChunkMessage, OutcomeMessage, SourceMessage
from loudhailer.broadcast.model import Chunk, Priority, Source, Summary
from loudhailer.broadcast.payload import Payload, broadcast_frame
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.recipients import Recipients
from loudhailer.broadcast.report import Report, summed
from loudhailer.broadcast.scope import Scope
from loudhailer.ids import BroadcastId, CellName, Channel, ChunkId, ConnectionId, Partition, TenantId

NOW = 1_800_000_000
"""The tests' present, in epoch seconds."""

LIFETIME = 300
ACCOUNT = "111111111111"
OTHER_ACCOUNT = "222222222222"
ENDPOINT = "https://abcdef1234.execute-api.us-east-1.amazonaws.com/live"
BROADCAST = BroadcastId("broadcast-1")
TENANT = TenantId("acme")
NORTH, SOUTH = CellName("north"), CellName("south")
FRAME = broadcast_frame(BROADCAST, NOW * 1000, codec.json_text("hello"))
PAYLOAD = Payload(FRAME)


def partition(number: int, tenant: str = TENANT) -> Partition:
    """A partition's key."""
    return ids.nth_partition(TenantId(tenant), number)


def connection(number: int) -> ConnectionId:
    """A connection's id in the style of API Gateway; they sort by their number."""
    return ConnectionId(f"L{number:08d}AMCI=")


def recipients(size: int, *, first: int = 0) -> Recipients:
    """Connections of one partition."""
    return {partition(0): [connection(number) for number in range(first, first + size)]} if size else {}


def chunks_of(store: BroadcastStore, source: int, broadcast_id: BroadcastId = BROADCAST) -> list[Chunk]:
    """The chunks of a source that are fixed, without the empty one that ends it."""
    found: list[Chunk] = []
    for number in count():
        chunk = store.chunk(broadcast_id, ChunkId(f"{source}.{number}"))
        if chunk is None or not chunk.size:
            break
        found.append(chunk)
    return found


def announcement(
    to: Audience | None = None, *, broadcast_id: str = BROADCAST, frame: str = FRAME, expires_at: int = NOW + LIFETIME
) -> Announcement:
    """Return what `publish` puts on the topic."""
    return Announcement(
        broadcast_id=BroadcastId(broadcast_id),
        audience=to or Everyone(),
        payload=Payload.of(frame),
        published_at=NOW * 1000,
        expires_at=expires_at,
    )


def source_message(
    scope: Scope | None = None, *, source: int = 0, frame: str = FRAME, expires_at: int = NOW + LIFETIME
) -> SourceMessage:
    """Return what `swarm` sends to `query`."""
    return SourceMessage(
        broadcast_id=BROADCAST,
        source=source,
        scope=(partition(0),) if scope is None else scope,
        payload=Payload.of(frame),
        published_at=NOW * 1000,
        expires_at=expires_at,
    )


def chunk_message(
    size: int = 3,
    *,
    frame: str = FRAME,
    young: Bitmap = 0,
    young_until: int = NOW + 30,
    remaining: Bitmap | None = None,
    attempt: int = 1,
    refusals: int = 0,
    slow: Bitmap = 0,
    expires_at: int = NOW + LIFETIME,
) -> ChunkMessage:
    """Return what `query` sends to `post_message`."""
    return ChunkMessage(
        broadcast_id=BROADCAST,
        chunk_id=ChunkId("0.0"),
        endpoint=ENDPOINT,
        recipients=recipients(size),
        young=young,
        young_until=young_until,
        remaining=bitmaps.full(size) if remaining is None else remaining,
        attempt=attempt,
        payload=Payload.of(frame),
        published_at=NOW * 1000,
        expires_at=expires_at,
        refusals=refusals,
        slow=slow,
    )


def outcome(
    size: int = 3,
    *,
    delivered: Bitmap = 0,
    gone: Bitmap = 0,
    failed: Bitmap = 0,
    expired: bool = False,
    chunk_id: str = "0.0",
    account: str = ACCOUNT,
) -> OutcomeMessage:
    """Return what `post_message` tells `settle`."""
    return OutcomeMessage(
        broadcast_id=BROADCAST,
        chunk_id=ChunkId(chunk_id),
        size=size,
        account=account,
        delivered=delivered,
        gone=gone,
        failed=failed,
        expired=expired,
    )


def summary(*, broadcast_id: str = BROADCAST, to: Audience | None = None, content_hash: str = "0" * 64) -> Summary:
    """The head of a broadcast that was just recorded."""
    return Summary(
        broadcast_id=BroadcastId(broadcast_id),
        audience=to or Everyone(),
        content_hash=content_hash,
        published_at=NOW * 1000,
    )


def source(number: int = 0, *, scope: Scope | None = None, expected: int | None = 3) -> Source:
    """A source that was just fixed."""
    return Source(number=number, scope=(partition(number),) if scope is None else scope, expected=expected)


def chunk(chunk_id: str = "0.0", size: int = 3, *, first: int = 0, young: Bitmap = 0) -> Chunk:
    """A chunk that was just fixed."""
    return Chunk(
        chunk_id=ChunkId(chunk_id), recipients=recipients(size, first=first), young=young, young_until=NOW + 30
    )


_LETTERS = "abcXYZ019_-"
names = st.text(_LETTERS, min_size=1, max_size=64)
handles = st.text(f"{_LETTERS}.@", min_size=1, max_size=128)
tenants = names.map(TenantId)
groups = st.none() | st.just(EVERYONE) | tenants
partitions = st.builds(ids.nth_partition, tenants, st.integers(0, 120_000))
connections = st.text(f"{_LETTERS}+/=", min_size=1, max_size=128).map(ConnectionId)
milliseconds = st.integers(0, 2**53)
texts = st.text(min_size=1)

rooms = st.builds(InRoom, tenants, handles.map(ids.room_key))
players = st.builds(OfPlayer, tenants, handles.map(ids.player_id))
sessions = st.builds(OfSession, tenants, names.map(ids.session_id))
channel_names = st.lists(st.text("ab._@-", min_size=1, max_size=9), min_size=1, max_size=5).map("/".join).map(Channel)
channels = st.builds(OfChannel, tenants, channel_names)
audiences: st.SearchStrategy[Audience] = st.one_of(
    st.just(Everyone()), st.builds(OfTenant, tenants), channels, rooms, players, sessions
)
scopes: st.SearchStrategy[Scope] = st.one_of(st.lists(partitions).map(tuple), rooms, players, sessions)
recipients_of_any_size: st.SearchStrategy[Recipients] = st.dictionaries(
    partitions, st.lists(connections, min_size=1, max_size=8), max_size=4
)


def _head() -> dict[str, st.SearchStrategy[object]]:
    return {
        "broadcast_id": names.map(BroadcastId),
        "payload": texts.map(Payload.of),
        "published_at": milliseconds,
        "expires_at": milliseconds,
        "priority": st.sampled_from(Priority),
    }


announcements = st.one_of(
    st.builds(Announcement, audience=audiences, **_head()),
    st.builds(
        Announcement,
        audience=audiences,
        cells=st.frozensets(st.sampled_from([NORTH, SOUTH])),
        content_hash=st.text("0123456789abcdef", min_size=64, max_size=64),
        **_head(),
    ),
)
source_messages = st.builds(
    SourceMessage,
    source=st.integers(0, 10**9),
    scope=scopes,
    expected=st.none() | st.integers(0, 10**9),
    group=groups,
    **_head(),
)


@st.composite
def chunk_messages(draw: st.DrawFn) -> ChunkMessage:
    """Chunks with bitmaps that fit their recipients."""
    found = draw(recipients_of_any_size)
    is_cancelled = draw(st.booleans())
    bits = st.integers(0, bitmaps.full(sum(map(len, found.values()))))
    return ChunkMessage(
        broadcast_id=BroadcastId(draw(names)),
        chunk_id=ChunkId(f"{draw(st.integers(0, 999_999_999))}.{draw(st.integers(0, 999_999_999))}"),
        endpoint=ENDPOINT,
        recipients=found,
        young=draw(bits),
        young_until=draw(milliseconds),
        remaining=draw(bits),
        attempt=draw(st.integers(1, 9)),
        payload=Payload.of(draw(texts)),
        published_at=draw(milliseconds),
        expires_at=0 if is_cancelled else draw(milliseconds.filter(bool)),
        priority=draw(st.sampled_from(Priority)),
        cancelled=is_cancelled,
        refusals=draw(st.integers(0, 99)),
        slow=draw(bits),
        group=draw(groups),
    )


@st.composite
def outcomes(draw: st.DrawFn, size: int | None = None) -> OutcomeMessage:
    """Outcomes of a chunk; the three sets may overlap, as those of several attempts do."""
    size = draw(st.integers(0, 500)) if size is None else size
    bits = st.integers(0, bitmaps.full(size))
    return outcome(
        size,
        delivered=draw(bits),
        gone=draw(bits),
        failed=draw(bits),
        expired=draw(st.booleans()),
        account=draw(st.sampled_from([ACCOUNT, OTHER_ACCOUNT])),
    )


def report_of(broadcasts: BroadcastStore, broadcast_id: BroadcastId) -> Report | None:
    """Return the report of a broadcast by its rows; None if there is no such broadcast."""
    found = summed(broadcasts, broadcast_id)
    return None if found is None else found[1]
