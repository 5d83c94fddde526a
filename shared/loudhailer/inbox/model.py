"""A direct message, the inbox in which it waits, and the wake for an inbox."""

import re
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, NamedTuple, NewType, Self

from loudhailer import codec, ids
from loudhailer.codec import JsonText
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import InvalidFieldError, MalformedMessageError
from loudhailer.ids import ConnectionId, PlayerId, TenantId
from loudhailer.queues.port import FifoMessage

VERSION = 1

MAX_DIRECT_MESSAGE_BYTES = 32 * 1024
"""Most bytes of a message as its sender wrote it: a client can send this many in one frame.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""

MAX_LIFETIME_SECONDS = 365 * 24 * 3600
"""Longest lifetime of a message that Terraform admits."""

MAX_MOVES = 1_000
"""Most moves of a message from cell to cell: each follows a move of its player, or meets one."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_+/=.-]{1,128}")
_CLOCK_SKEW_SECONDS = 60

MessageId = NewType("MessageId", str)
"""`{received_at:013d}-{request id}`; sorts by the time."""


def message_id(received_at: int, request_id: str) -> MessageId:
    """Return the id of a message: the epoch millisecond in which API Gateway received it, and the request's id.

    Ids sort by API Gateway's clock. So a sender's messages keep their order if each is sent after the acknowledgement
    of the one before. Messages that are sent without waiting, and received in the same millisecond, have no order: API
    Gateway handles a connection's frames in parallel, and gives no other information about their order:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
    """
    return MessageId(f"{received_at:013d}-{request_id}")


class Inbox(NamedTuple):
    """A player's inbox, in which direct messages wait."""

    tenant_id: TenantId
    player_id: PlayerId

    @property
    def key(self) -> str:
        """The key `{tenantId}#{playerId}` of its messages' rows."""
        return f"{self.tenant_id}#{self.player_id}"

    @classmethod
    def of_key(cls, key: str) -> Self:
        """Read an inbox from its key; InvalidFieldError if it is not one."""
        tenant, _, player = key.partition("#")
        return cls(ids.tenant_id(tenant), ids.player_id(player))


@dataclass(frozen=True, slots=True)
class DirectMessage:
    """A message from a player to a player.

    Attributes:
        inbox: the receiver's inbox.
        message_id: its place in the inbox.
        message: any JSON value, as its sender wrote it.
        source: the player who sent it.
        sent_at: time at which API Gateway received it, in epoch milliseconds.
        expires_at: epoch seconds; from then on it is not delivered.
        taken_by: the receiver's connections that have it, while another connection is tried again.
        moves: number of times that it was forwarded to another cell. Each time it becomes another row: if it returns
            before it is deleted in the first cell, that deletion deletes only the former row.
    """

    inbox: Inbox
    message_id: MessageId
    message: JsonText
    source: PlayerId
    sent_at: int
    expires_at: int
    taken_by: frozenset[ConnectionId] = frozenset()
    moves: int = 0

    def moved(self) -> Self:
        """Return the message as it is put into the inbox on another cell, where no connection has it."""
        return replace(self, taken_by=frozenset(), moves=self.moves + 1)

    def check(self, now: int) -> None:
        """Raise MalformedMessageError unless `send_message` can have stored it by `now`, epoch seconds.

        A cell of another account may have written it. It becomes part of a frame here, and must expire.
        """
        request_id = self.message_id.partition("-")[2]
        latest = self.sent_at // 1_000 + MAX_LIFETIME_SECONDS
        try:
            codec.decode(self.message)
            ids.player_id(self.source)
        except (codec.NotJsonError, InvalidFieldError) as error:
            raise MalformedMessageError(f"not a direct message: {error}") from error
        if len(self.message.encode()) > MAX_DIRECT_MESSAGE_BYTES:
            raise MalformedMessageError("the message is too long")
        if self.message_id != message_id(self.sent_at, request_id) or _REQUEST_ID.fullmatch(request_id) is None:
            raise MalformedMessageError("the message's id has another time")
        if self.sent_at > (now + _CLOCK_SKEW_SECONDS) * 1_000 or self.expires_at > latest:
            raise MalformedMessageError("the message is from the future, or expires too late")
        if not 0 <= self.moves < MAX_MOVES:
            raise MalformedMessageError("the message was moved too often")


@dataclass(frozen=True, slots=True)
class Wake:
    """A request to deliver an inbox: it has a new message, or its player a new connection.

    A wake does not expire: the messages do, and delivering an empty inbox does no harm.

    Attributes:
        inbox: the inbox.
        behind: the connection that misses a message which another one took, and is to be closed.
        connected: the player has a new connection.
        only_fetches: no message is delivered, but messages that wait on other cells are forwarded to this one.
    """

    inbox: Inbox
    behind: ConnectionKey | None = None
    connected: bool = False
    only_fetches: bool = False

    def to_message(self, event_id: str) -> FifoMessage:
        """Return the message for the inbox queue, which keeps an inbox's order and drops a second wake of an event.

        A wake that only fetches has a group of its own: the inbox does not wait for it.
        An inbox's key may be longer than the 128 characters of a group's id, so it is hashed:
        https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
        """
        wire: dict[str, Any] = {"v": VERSION, "inbox": self.inbox.key}
        if self.behind is not None:
            wire |= {"partition": self.behind.partition, "connectionId": self.behind.connection_id, "behind": True}
        if self.connected:
            wire["connected"] = True
        group = self.inbox.key
        if self.only_fetches:
            wire["fetch"] = True
            group = f"fetch#{group}"
        return FifoMessage(codec.encode_text(wire), sha256(group.encode()).hexdigest(), event_id)

    @classmethod
    def of_body(cls, body: str) -> Self:
        """Read the wake from a message of the inbox queue; MalformedMessageError for anything else."""
        try:
            wire = codec.decode_object(body)
            if wire.get("v") != VERSION:
                raise MalformedMessageError("the message is of another version")
            # An earlier release named new connections, too.
            behind = (
                ConnectionKey(ids.partition(wire.get("partition")), ids.connection_id(wire.get("connectionId")))
                if wire.get("behind") is True
                else None
            )
            inbox = Inbox.of_key(str(wire.get("inbox")))
            return cls(inbox, behind, wire.get("connected") is True, wire.get("fetch") is True)
        except (codec.NotJsonError, InvalidFieldError) as error:
            raise MalformedMessageError(f"not a wake: {error}") from error
