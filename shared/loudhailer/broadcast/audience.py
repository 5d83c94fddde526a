"""The audience of a broadcast.

On the wire it is `{"all": true}` or a `tenantId`, alone or with one of `channel`, `roomKey`, `playerId`, `sessionId`.
"""

from dataclasses import dataclass
from typing import Any

from loudhailer import ids
from loudhailer.broadcast.payload import broadcast_frame, channel_frame
from loudhailer.codec import JsonText
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import AudienceKey, BroadcastId, Channel, PlayerId, RoomKey, SessionId, TenantId, channel_key


class _Recipients:
    """Recipients of a broadcast."""

    __slots__ = ()

    def frame(self, broadcast_id: BroadcastId, published_at: int, message: JsonText) -> str:
        """Return the frame that each recipient gets; `published_at` in epoch milliseconds."""
        return broadcast_frame(broadcast_id, published_at, message)


@dataclass(frozen=True, slots=True)
class Everyone(_Recipients):
    """Every connection of every tenant."""


@dataclass(frozen=True, slots=True)
class OfTenant(_Recipients):
    """Every connection of one tenant."""

    tenant: TenantId


@dataclass(frozen=True, slots=True)
class OfChannel(_Recipients):
    """The connections that are subscribed to a channel, or to a pattern that matches it."""

    tenant: TenantId
    channel: Channel

    def frame(self, broadcast_id: BroadcastId, published_at: int, message: JsonText) -> str:
        """Return the frame of a message to this channel."""
        return channel_frame(self.channel, broadcast_id, published_at, message)


@dataclass(frozen=True, slots=True)
class InRoom(_Recipients):
    """The connections that have joined one room."""

    tenant: TenantId
    room: RoomKey


@dataclass(frozen=True, slots=True)
class OfPlayer(_Recipients):
    """The connections of one player, on all devices."""

    tenant: TenantId
    player: PlayerId


@dataclass(frozen=True, slots=True)
class OfSession(_Recipients):
    """The connections of one session."""

    tenant: TenantId
    session: SessionId


type Audience = Everyone | OfTenant | OfChannel | InRoom | OfPlayer | OfSession

Counted = Everyone | OfTenant | OfChannel
"""The audiences of whole partitions, each with a count."""


def keys_of(audience: OfTenant | OfChannel) -> list[AudienceKey]:
    """The keys under which an audience is counted: one of a tenant, up to five of a channel."""
    if isinstance(audience, OfTenant):
        return [audience.tenant]
    return [channel_key(audience.tenant, pattern) for pattern in ids.patterns_of(audience.channel)]


_LEGAL = 'must be {"all": true}, {"tenantId"}, or a tenantId with one of channel, roomKey, playerId, sessionId'


def from_wire(value: object, field: str = "audience") -> Audience:
    """Read the audience of a request; InvalidFieldError, naming the field, unless there is exactly one."""
    if not isinstance(value, dict):
        raise InvalidFieldError(field, _LEGAL)
    keys = frozenset(value)
    if keys == {"all"}:
        if value["all"] is not True:
            raise InvalidFieldError(f"{field}.all", "must be true")
        return Everyone()
    if "tenantId" not in keys:
        raise InvalidFieldError(field, _LEGAL)
    tenant = ids.tenant_id(value["tenantId"], f"{field}.tenantId")
    match sorted(keys - {"tenantId"}):
        case []:
            return OfTenant(tenant)
        case ["channel"]:
            return OfChannel(tenant, ids.channel(value["channel"], f"{field}.channel"))
        case ["roomKey"]:
            return InRoom(tenant, ids.room_key(value["roomKey"], f"{field}.roomKey"))
        case ["playerId"]:
            return OfPlayer(tenant, ids.player_id(value["playerId"], f"{field}.playerId"))
        case ["sessionId"]:
            return OfSession(tenant, ids.session_id(value["sessionId"], f"{field}.sessionId"))
        case _:
            raise InvalidFieldError(field, _LEGAL)


def to_wire(audience: Audience) -> dict[str, Any]:
    """Return the audience as requests, messages and rows contain it."""
    match audience:
        case Everyone():
            return {"all": True}
        case OfTenant(tenant):
            return {"tenantId": tenant}
        case OfChannel(tenant, channel):
            return {"tenantId": tenant, "channel": channel}
        case InRoom(tenant, room):
            return {"tenantId": tenant, "roomKey": room}
        case OfPlayer(tenant, player):
            return {"tenantId": tenant, "playerId": player}
        case OfSession(tenant, session):
            return {"tenantId": tenant, "sessionId": session}
