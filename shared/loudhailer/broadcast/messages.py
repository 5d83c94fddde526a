"""The messages of a broadcast, in the order in which they are sent.

    publish --Announcement--> swarm --SourceMessage--> query --ChunkMessage--> post_message
    post_message --OutcomeMessage--> settle

Every message carries `"v": 1` and, up to the outcome, when it was published (epoch milliseconds), when it expires
(epoch seconds) and, unless it is normal, its priority. `from_wire` accepts what `to_wire` makes; anything else is a
MalformedMessageError.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loudhailer import codec, ids
from loudhailer.broadcast import audience as audiences
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast import recipients as chunk_recipients
from loudhailer.broadcast import scope as scopes
from loudhailer.broadcast.audience import Audience, Everyone
from loudhailer.broadcast.bitmaps import Bitmap
from loudhailer.broadcast.model import Chunk, Outcomes, Priority
from loudhailer.broadcast.payload import Payload
from loudhailer.broadcast.recipients import Recipients
from loudhailer.broadcast.scope import Scope
from loudhailer.errors import InvalidFieldError, MalformedMessageError
from loudhailer.ids import BroadcastId, CellName, ChunkId

VERSION = 1

_CANCELLED = 0
"""The `expiresAt` of a cancelled chunk. A release without the field `cancelled` then posts it to nobody."""

EVERYONE = "*"
"""The group of broadcasts to everyone; no tenant has this name."""

_ENDPOINT = re.compile(r"https?://[^\s/]+(/\S*)?")
_ACCOUNT = re.compile(r"[0-9]{12}")
_HASH = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """A broadcast as it was accepted.

    Attributes:
        broadcast_id: the broadcast's id, from the client or new.
        audience: the recipients.
        payload: the frame for each connection.
        published_at: epoch milliseconds.
        expires_at: epoch seconds; afterwards it is not sent any more.
        priority: the kind of lanes that its posts use.
        cells: the further cells that may have recipients; None if its announcer knows no further cells.
        content_hash: see `Summary`; with the cells, for the summaries that they record.
        has_deadline: the publisher chose when it expires.
    """

    broadcast_id: BroadcastId
    audience: Audience
    payload: Payload
    published_at: int
    expires_at: int
    priority: Priority = Priority.NORMAL
    cells: frozenset[CellName] | None = None
    content_hash: str | None = None
    has_deadline: bool = False

    @property
    def group(self) -> str:
        """The message group: the tenant in queues that tenants share, or EVERYONE.

        SQS delivers the messages of quiet groups before those of noisy ones. The noisy group with the fewest
        messages in work is the next. So tenants who broadcast at the same time get equal shares of the lanes:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues-detailed.html
        """
        return EVERYONE if isinstance(self.audience, Everyone) else self.audience.tenant

    def to_wire(self) -> str:
        """The topic's message."""
        wire = {**_header(self), "audience": audiences.to_wire(self.audience)}
        if self.cells is not None:
            wire |= {"cells": sorted(self.cells), "contentHash": self.content_hash}
        return codec.encode_text(wire)

    @staticmethod
    def from_wire(body: str) -> "Announcement":
        """The announcement in a topic's message."""
        return _read(
            body,
            lambda wire: Announcement(
                **_read_header(wire),
                audience=audiences.from_wire(wire.get("audience")),
                cells=_cells(wire["cells"]) if "cells" in wire else None,
                content_hash=_hash(wire.get("contentHash")) if "cells" in wire else None,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceMessage:
    """One source of a broadcast: find its recipients and put them into chunks.

    Attributes:
        broadcast_id: names the broadcast.
        source: the source's number.
        scope: where to look.
        payload: the frame that each connection is sent.
        published_at: epoch milliseconds.
        expires_at: epoch seconds.
        priority: the lanes that its posts use.
        expected: recipients of the whole broadcast by the counts; None without counts, or from a former release.
        group: see `Announcement.group`; None in a message of a former release.
        has_deadline: the publisher chose when it expires.
    """

    broadcast_id: BroadcastId
    source: int
    scope: Scope
    payload: Payload
    published_at: int
    expires_at: int
    priority: Priority = Priority.NORMAL
    expected: int | None = None
    group: str | None = None
    has_deadline: bool = False

    def to_wire(self) -> str:
        """The partition queue's message."""
        wire = {**_header(self), "source": self.source, **scopes.to_wire(self.scope)}
        if self.expected is not None:
            wire["expected"] = self.expected
        if self.group is not None:
            wire["group"] = self.group
        return codec.encode_text(wire)

    @staticmethod
    def from_wire(body: str) -> "SourceMessage":
        """The source in a partition queue's message."""
        return _read(
            body,
            lambda wire: SourceMessage(
                **_read_header(wire),
                source=_whole_number(wire, "source"),
                scope=scopes.from_wire(wire),
                expected=_whole_number(wire, "expected") if "expected" in wire else None,
                group=_group(wire),
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkMessage:
    """Up to `chunk_size` connections that the frame is posted to.

    Attributes:
        broadcast_id: the broadcast.
        chunk_id: `<source>.<i>`.
        endpoint: the API's management endpoint, without `/@connections`; a worker accepts only its own cell's.
        recipients: all of the chunk's connections.
        young: connections whose handshake may not have been complete when they were found: a 410 does not prove yet
            that they are gone.
        young_until: epoch seconds; from then on all handshakes are complete.
        remaining: connections that still need the frame.
        attempt: 1 for the first; after the last one, the remaining connections fail.
        refusals: number of times in a row that the remaining connections were answered 429; these are not attempts.
        slow: remaining connections whose client seems not to read.
        payload: the frame for each connection.
        published_at: epoch milliseconds.
        expires_at: epoch seconds.
        priority: the kind of lanes that its posts use.
        cancelled: an operator has ended the broadcast: it is not sent any more.
        group: see `SourceMessage.group`.
        has_deadline: the publisher chose when it expires.
    """

    broadcast_id: BroadcastId
    chunk_id: ChunkId
    endpoint: str
    recipients: Recipients
    young: Bitmap
    young_until: int
    remaining: Bitmap
    attempt: int
    payload: Payload
    published_at: int
    expires_at: int
    priority: Priority = Priority.NORMAL
    refusals: int = 0
    slow: Bitmap = 0
    cancelled: bool = False
    group: str | None = None
    has_deadline: bool = False

    @classmethod
    def of(
        cls, message: Announcement | SourceMessage, chunk: Chunk, *, endpoint: str, cancelled: bool = False
    ) -> "ChunkMessage":
        """The first message of a chunk of the broadcast that another message is about."""
        return cls(
            broadcast_id=message.broadcast_id,
            chunk_id=chunk.chunk_id,
            endpoint=endpoint,
            recipients=chunk.recipients,
            young=chunk.young,
            young_until=chunk.young_until,
            remaining=bitmaps.full(chunk.size),
            attempt=1,
            payload=message.payload,
            published_at=message.published_at,
            expires_at=message.expires_at,
            priority=message.priority,
            cancelled=cancelled,
            group=message.group,
            has_deadline=message.has_deadline,
        )

    @property
    def size(self) -> int:
        """Number of the chunk's connections, remaining or not."""
        return sum(map(len, self.recipients.values()))

    def to_wire(self) -> str:
        """The shard queue's message."""
        size = self.size
        wire = {
            **_header(self),
            "chunkId": self.chunk_id,
            "endpoint": self.endpoint,
            "connections": self.recipients,
            "young": bitmaps.to_wire(self.young, size),
            "youngUntil": self.young_until,
            "attempt": self.attempt,
        }
        if self.remaining != bitmaps.full(size):
            wire["remaining"] = bitmaps.to_wire(self.remaining, size)
        if self.refusals:
            wire["refusals"] = self.refusals
        if self.slow:
            wire["slow"] = bitmaps.to_wire(self.slow, size)
        if self.cancelled:
            wire |= {"cancelled": True, "expiresAt": _CANCELLED}
        if self.group is not None:
            wire["group"] = self.group
        return codec.encode_text(wire)

    @staticmethod
    def from_wire(body: str) -> "ChunkMessage":
        """The chunk in a shard queue's message."""
        return _read(body, _read_chunk)


class OutcomeMessage(Outcomes):
    """Outcomes that are sent to `settle`."""

    __slots__ = ()

    def to_wire(self) -> str:
        """The outcome queue's message."""
        wire: dict[str, Any] = {
            "v": VERSION,
            "broadcastId": self.broadcast_id,
            "chunkId": self.chunk_id,
            "size": self.size,
            "account": self.account,
            "delivered": bitmaps.to_wire(self.delivered, self.size),
            "gone": bitmaps.to_wire(self.gone, self.size),
            "failed": bitmaps.to_wire(self.failed, self.size),
        }
        # Omitted if empty, like the priority.
        return codec.encode_text({**wire, "expired": True} if self.expired else wire)

    @staticmethod
    def from_wire(body: str) -> "OutcomeMessage":
        """The outcome in an outcome queue's message."""
        return _read(body, _read_outcome)


type BroadcastMessage = Announcement | SourceMessage | ChunkMessage | OutcomeMessage


def message_from_wire(body: str) -> BroadcastMessage:
    """Read a message of any kind; each kind has a field that no other kind has."""
    kinds: dict[str, Callable[[str], BroadcastMessage]] = {
        "audience": Announcement.from_wire,
        "source": SourceMessage.from_wire,
        "connections": ChunkMessage.from_wire,
        "delivered": OutcomeMessage.from_wire,
    }
    wire = _read(body, lambda wire: wire)
    for field, from_wire in kinds.items():
        if field in wire:
            return from_wire(body)
    raise MalformedMessageError("it is a message of no known kind")


@dataclass(frozen=True, slots=True)
class ChunkName:
    """A chunk's name, and the number of its connections."""

    broadcast_id: BroadcastId
    chunk_id: ChunkId
    size: int


def chunk_name(body: str) -> ChunkName | None:
    """Read the name and size of a malformed chunk message; None if they cannot be read.

    After a rollback, messages of the later release are still in the queues, and their reports must end, too.
    """
    try:
        wire = codec.decode_object(body)
        size = sum(map(len, wire["connections"].values()))
        return ChunkName(ids.broadcast_id(wire.get("broadcastId")), ids.chunk_id(wire.get("chunkId")), size)
    except (codec.NotJsonError, InvalidFieldError, KeyError, TypeError, AttributeError):
        return None


def _header(message: Announcement | SourceMessage | ChunkMessage) -> dict[str, Any]:
    header = {
        "v": VERSION,
        "broadcastId": message.broadcast_id,
        "publishedAt": message.published_at,
        "expiresAt": message.expires_at,
        **message.payload.to_wire(),
    }
    # Both are omitted at their defaults, so that a release without the fields reads the message as before.
    if message.priority is not Priority.NORMAL:
        header["priority"] = message.priority
    if message.has_deadline:
        header["deadline"] = True
    return header


def _read_header(wire: dict[str, Any]) -> dict[str, Any]:
    return {
        "broadcast_id": ids.broadcast_id(wire.get("broadcastId")),
        "published_at": _whole_number(wire, "publishedAt"),
        "expires_at": _whole_number(wire, "expiresAt"),
        "payload": Payload.from_wire(wire),
        "priority": _priority(wire.get("priority", Priority.NORMAL)),
        "has_deadline": _flag(wire, "deadline"),
    }


def _priority(value: object) -> Priority:
    try:
        return Priority(value)  # type: ignore[arg-type]  # whatever it is, it is a priority or none
    except ValueError as error:
        raise MalformedMessageError("priority must be normal or low") from error


def _cells(value: object) -> frozenset[CellName]:
    if not isinstance(value, list):
        raise MalformedMessageError("cells must be a list")
    return frozenset(ids.cell_name(name, "cells") for name in value)


def _hash(value: object) -> str:
    if not isinstance(value, str) or _HASH.fullmatch(value) is None:
        raise MalformedMessageError("contentHash must be 64 hex digits")
    return value


def _read_chunk(wire: dict[str, Any]) -> ChunkMessage:
    recipients = chunk_recipients.from_wire(wire.get("connections"))
    size = sum(map(len, recipients.values()))
    endpoint = wire.get("endpoint")
    if not isinstance(endpoint, str) or _ENDPOINT.fullmatch(endpoint) is None:
        raise MalformedMessageError("endpoint must be a URL")
    header = _read_header(wire)
    return ChunkMessage(
        **header,
        chunk_id=ids.chunk_id(wire.get("chunkId")),
        endpoint=endpoint,
        recipients=recipients,
        young=bitmaps.from_wire(wire.get("young"), size),
        young_until=_whole_number(wire, "youngUntil"),
        remaining=bitmaps.from_wire(wire["remaining"], size) if "remaining" in wire else bitmaps.full(size),
        attempt=_whole_number(wire, "attempt", minimum=1),
        refusals=_whole_number(wire, "refusals") if "refusals" in wire else 0,
        slow=bitmaps.from_wire(wire["slow"], size) if "slow" in wire else 0,
        cancelled=_flag(wire, "cancelled") or header["expires_at"] == _CANCELLED,
        group=_group(wire),
    )


def _read_outcome(wire: dict[str, Any]) -> OutcomeMessage:
    size = _whole_number(wire, "size")
    account = wire.get("account")
    if not isinstance(account, str) or _ACCOUNT.fullmatch(account) is None:
        raise MalformedMessageError("account must be an AWS account id")
    return OutcomeMessage(
        broadcast_id=ids.broadcast_id(wire.get("broadcastId")),
        chunk_id=ids.chunk_id(wire.get("chunkId")),
        size=size,
        account=account,
        delivered=bitmaps.from_wire(wire.get("delivered"), size),
        gone=bitmaps.from_wire(wire.get("gone"), size),
        failed=bitmaps.from_wire(wire.get("failed"), size),
        expired=_flag(wire, "expired"),
    )


def _read[T](body: str, read: Callable[[dict[str, Any]], T]) -> T:
    try:
        wire = codec.decode_object(body)
        if type(wire.get("v")) is not int or wire["v"] != VERSION:
            raise MalformedMessageError(f"version must be {VERSION}")
        return read(wire)
    except (codec.NotJsonError, InvalidFieldError) as error:
        raise MalformedMessageError(str(error)) from error


def _group(wire: dict[str, Any]) -> str | None:
    value = wire.get("group")
    return value if value is None or value == EVERYONE else ids.tenant_id(value, "group")


def _flag(wire: dict[str, Any], field: str) -> bool:
    value = wire.get(field, False)
    if not isinstance(value, bool):
        raise MalformedMessageError(f"{field} must be true or false")
    return value


def _whole_number(wire: dict[str, Any], field: str, *, minimum: int = 0) -> int:
    value = wire.get(field)
    if type(value) is not int or value < minimum:
        raise MalformedMessageError(f"{field} must be a whole number, {minimum} or more")
    return value
