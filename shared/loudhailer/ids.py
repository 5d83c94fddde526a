"""The identifiers, their grammars, and the keys made of them.

An id is validated where it enters (`tenant_id("...")`); from then on its type proves that it is legal. No grammar
allows `#`, `:` or `,`, because composed keys use them as separators.
"""

import hashlib
import re
import secrets
import time
import uuid
from typing import Any, NewType

from loudhailer.errors import InvalidFieldError

TenantId = NewType("TenantId", str)
SessionSecret = NewType("SessionSecret", str)
"""A session's id as its client has it: the secret that admits to the session. It is never passed on."""

SessionId = NewType("SessionId", str)
"""A session's id inside the service, see `Tenant.session_id_of`."""

PlayerId = NewType("PlayerId", str)
RoomKey = NewType("RoomKey", str)
ConnectionId = NewType("ConnectionId", str)
BroadcastId = NewType("BroadcastId", str)
ClientMessageId = NewType("ClientMessageId", str)
ChunkId = NewType("ChunkId", str)
Channel = NewType("Channel", str)
"""A channel's name: 1 to 5 segments, joined by `/`."""

Pattern = NewType("Pattern", str)
"""A channel's name, or a name and `/*`: all channels whose names begin with that name and `/`."""

ChannelKey = NewType("ChannelKey", str)
"""`{tenantId}#{pattern}`: the subscribers of a pattern, as an audience that is counted."""

type AudienceKey = TenantId | ChannelKey
"""The key of an audience that is counted: all connections of a tenant, or the subscribers of a pattern."""

Partition = NewType("Partition", str)
"""`{audience}#{n:05d}`: the hash key that a slice of an audience shares, `{tenantId}#{n:05d}` for connections."""

Epoch = NewType("Epoch", str)
"""One life of the sequence of a channel's messages, in which their offsets count."""

ProbeId = NewType("ProbeId", str)

CellName = NewType("CellName", str)
HUB = CellName("hub")
"""The hub's own cell."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_HANDLE = re.compile(r"[A-Za-z0-9_.@-]{1,128}")
_CONNECTION = re.compile(r"[A-Za-z0-9_+/=-]{1,128}")
_SEGMENTS = r"[A-Za-z0-9_.@-]{1,128}(?:/[A-Za-z0-9_.@-]{1,128}){0,4}"
_OF_CHANNELS = rf"(?=[^#*]{{1,255}}(?:/\*)?(?:#|$)){_SEGMENTS}(?:/\*)?"
"""A pattern; the lookahead is for its length."""

_CHANNEL = re.compile(rf"(?=.{{1,255}}$){_SEGMENTS}")
_PATTERN = re.compile(_OF_CHANNELS)
_PARTITION = re.compile(r"[A-Za-z0-9_-]{1,64}#[0-9]{5,}")
_RECIPIENTS = re.compile(rf"[A-Za-z0-9_-]{{1,64}}#(?:{_OF_CHANNELS}#)?[0-9]{{5,}}")
_CHUNK = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}")
_CELL = re.compile(r"[a-z][a-z0-9-]{1,15}")

_ROOM_SEGMENT = "room"

_CONNECTION_FORM = "must be an API Gateway connection id"
_NAME_FORM = "must be 1 to 64 letters, digits, '_' or '-'"
_HANDLE_FORM = "must be 1 to 128 letters, digits, '_', '.', '@' or '-'"
_CHANNEL_FORM = (
    "must be 1 to 5 segments of letters, digits, '_', '.', '@' or '-', joined by '/', 255 characters at most"
)
_PATTERN_FORM = f"{_CHANNEL_FORM}, and may end with '/*'"


def _matching(value: object, grammar: re.Pattern[str], field: str, form: str) -> str:
    if not isinstance(value, str) or grammar.fullmatch(value) is None:
        raise InvalidFieldError(field, form)
    return value


def tenant_id(value: object, field: str = "tenantId") -> TenantId:
    """The value as a tenant's id; anything else is an InvalidFieldError that names the field."""
    return TenantId(_matching(value, _NAME, field, _NAME_FORM))


def session_secret(value: object, field: str = "sessionId") -> SessionSecret:
    """The value as a session's id of a client; anything else is an InvalidFieldError that names the field."""
    return SessionSecret(_matching(value, _NAME, field, _NAME_FORM))


def session_id(value: object, field: str = "sessionId") -> SessionId:
    """The value as a session's id; anything else is an InvalidFieldError that names the field."""
    return SessionId(_matching(value, _NAME, field, _NAME_FORM))


def player_id(value: object, field: str = "playerId") -> PlayerId:
    """The value as a player's id; anything else is an InvalidFieldError that names the field."""
    return PlayerId(_matching(value, _HANDLE, field, _HANDLE_FORM))


def room_key(value: object, field: str = "roomKey") -> RoomKey:
    """The value as a room's key; anything else is an InvalidFieldError that names the field."""
    return RoomKey(_matching(value, _HANDLE, field, _HANDLE_FORM))


def broadcast_id(value: object, field: str = "broadcastId") -> BroadcastId:
    """The value as a broadcast's id; anything else is an InvalidFieldError that names the field."""
    return BroadcastId(_matching(value, _NAME, field, _NAME_FORM))


def client_message_id(value: object, field: str = "clientMessageId") -> ClientMessageId:
    """The value as a client's id of its message; anything else is an InvalidFieldError that names the field."""
    return ClientMessageId(_matching(value, _NAME, field, _NAME_FORM))


def connection_id(value: object, field: str = "connectionId") -> ConnectionId:
    """Validate a connection's id, as API Gateway makes them: base64, so `=`, `/` and `+` are legal."""
    return ConnectionId(_matching(value, _CONNECTION, field, _CONNECTION_FORM))


def connection_ids(values: list[Any], field: str = "connectionIds") -> list[ConnectionId]:
    """Validate connections' ids like `connection_id`; a chunk has hundreds, and together they cost a third."""
    try:
        legal = all(map(_CONNECTION.fullmatch, values))
    except TypeError:
        legal = False
    if not legal:
        raise InvalidFieldError(field, _CONNECTION_FORM)
    return values


def partition(value: object, field: str = "partition") -> Partition:
    """The value as a partition's key; anything else is an InvalidFieldError that names the field."""
    return Partition(_matching(value, _PARTITION, field, "must be {tenantId}#{number of five digits}"))


def recipients_partition(value: object, field: str = "partition") -> Partition:
    """The value as a key of connections or of a channel's members; InvalidFieldError for anything else."""
    form = "must be {tenantId}#{number of five digits}, or {tenantId}#{pattern}#{number of five digits}"
    return Partition(_matching(value, _RECIPIENTS, field, form))


def channel(value: object, field: str = "channel") -> Channel:
    """The value as a channel's name; anything else is an InvalidFieldError that names the field."""
    return Channel(_unreserved(_matching(value, _CHANNEL, field, _CHANNEL_FORM), field))


def pattern(value: object, field: str = "channel") -> Pattern:
    """The value as a pattern of channels; anything else is an InvalidFieldError that names the field."""
    return Pattern(_unreserved(_matching(value, _PATTERN, field, _PATTERN_FORM), field))


def _unreserved(name: str, field: str) -> str:
    if name.partition("/")[0] == _ROOM_SEGMENT:
        raise InvalidFieldError(
            field, f"must not begin with the segment {_ROOM_SEGMENT!r}: rooms are joined by joinroom"
        )
    return name


def chunk_id(value: object, field: str = "chunkId") -> ChunkId:
    """The value as a chunk's id, `<source>.<i>`; anything else is an InvalidFieldError that names the field."""
    return ChunkId(_matching(value, _CHUNK, field, "must be {source}.{number}"))


def cell_name(value: object, field: str = "cell") -> CellName:
    """The value as a cell's name; anything else is an InvalidFieldError that names the field."""
    form = "must be 2 to 16 lowercase letters, digits or '-', a letter first"
    return CellName(_matching(value, _CELL, field, form))


def new_broadcast_id() -> BroadcastId:
    """A fresh id that sorts by the time it was made: 48 bits of milliseconds, then 80 bits of a random UUID."""
    return BroadcastId(f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:20]}")


def new_probe_id() -> ProbeId:
    """A fresh id; 32 hex digits."""
    return ProbeId(uuid.uuid4().hex)


def new_era() -> str:
    """Return a fresh name for one life of a row; 32 hex digits."""
    return uuid.uuid4().hex


def new_epoch() -> Epoch:
    """Return a fresh name for one life of a channel's sequence: 12 letters, digits, '_' or '-', 72 random bits."""
    return Epoch(secrets.token_urlsafe(9))


def derived_broadcast_id(made_at: int, source: str) -> BroadcastId:
    """Return the only id for a source, in the form of `new_broadcast_id`; `made_at` in epoch milliseconds."""
    return BroadcastId(f"{made_at:012x}{hashlib.sha256(source.encode()).hexdigest()[:20]}")


def channel_key(tenant: TenantId, matching: Pattern) -> ChannelKey:
    """The key of the subscribers of a tenant's pattern."""
    return ChannelKey(f"{tenant}#{matching}")


def patterns_of(name: Channel) -> list[Pattern]:
    """The patterns that match a channel: its name, and each shorter name with `/*`; five at most."""
    segments = name.split("/")
    return [Pattern(name), *(Pattern("/".join(segments[:length]) + "/*") for length in range(len(segments) - 1, 0, -1))]


def nth_partition(audience: AudienceKey, number: int) -> Partition:
    """The key of an audience's partition by its number."""
    return Partition(f"{audience}#{number:05d}")


def audience_of(key: Partition) -> AudienceKey:
    """The key of the audience that a partition is a slice of."""
    audience = key.rpartition("#")[0]
    return ChannelKey(audience) if is_of_channel(key) else TenantId(audience)


def is_of_channel(key: Partition) -> bool:
    """Tell whether a partition has members of a channel; others have connections."""
    return key.count("#") > 1


def tenant_of(key: str) -> TenantId:
    """The tenant whose id leads a key, as in `{tenantId}#00000`."""
    return TenantId(key.partition("#")[0])


def number_of(key: Partition) -> int:
    """The number of a partition within its audience."""
    return int(key.rpartition("#")[2])
