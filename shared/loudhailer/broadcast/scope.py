"""The scope of a source: the place of its recipients.

In a message or row it is one of `partitions`, `room`, `player`, `session`.
"""

from typing import Any

from loudhailer import ids
from loudhailer.broadcast.audience import InRoom, OfPlayer, OfSession
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import Partition

type Scope = tuple[Partition, ...] | InRoom | OfPlayer | OfSession
"""Whole partitions, or a room, a player or a session."""


def to_wire(scope: Scope) -> dict[str, Any]:
    """Return the scope as fields of a message or row; ids are joined as in the indexes."""
    match scope:
        case InRoom(tenant, room):
            return {"room": f"{tenant}#{room}"}
        case OfPlayer(tenant, player):
            return {"player": f"{tenant}#{player}"}
        case OfSession(tenant, session):
            return {"session": f"{tenant}#{session}"}
        case partitions:
            return {"partitions": list(partitions)}


def from_wire(wire: dict[str, Any]) -> Scope:
    """Read the scope of a message or row; MalformedMessageError unless there is exactly one."""
    kinds = [kind for kind in ("partitions", "room", "player", "session") if kind in wire]
    if len(kinds) != 1:
        raise MalformedMessageError("a source has one of partitions, room, player, session")
    kind, value = kinds[0], wire[kinds[0]]
    if kind == "partitions":
        if not isinstance(value, list):
            raise MalformedMessageError("partitions must be a list")
        return tuple(ids.recipients_partition(key, "partitions") for key in value)
    tenant, _, name = value.partition("#") if isinstance(value, str) else ("", "", "")
    owner = ids.tenant_id(tenant, kind)
    match kind:
        case "room":
            return InRoom(owner, ids.room_key(name, kind))
        case "player":
            return OfPlayer(owner, ids.player_id(name, kind))
        case _:
            return OfSession(owner, ids.session_id(name, kind))
