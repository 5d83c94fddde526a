"""The messages of a broadcast: round trips, and refusals."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfTenant
from loudhailer.broadcast.messages import Announcement, ChunkMessage, OutcomeMessage, SourceMessage
from loudhailer.broadcast.model import Priority
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import RoomKey
from tests.support.broadcasts import (
    NORTH,
    SOUTH,
    TENANT,
    announcement,
    announcements,
    chunk_message,
    chunk_messages,
    outcome,
    outcomes,
    source_message,
    source_messages,
)

READERS: dict[str, tuple[Callable[[str], object], str]] = {
    "announcement": (Announcement.from_wire, announcement().to_wire()),
    "partition": (SourceMessage.from_wire, source_message().to_wire()),
    "chunk": (ChunkMessage.from_wire, chunk_message(remaining=0b101).to_wire()),
    "outcome": (OutcomeMessage.from_wire, outcome().to_wire()),
}

each_kind = pytest.mark.parametrize("kind", READERS)


def accepted(kind: str, bodies: Iterable[str]) -> list[str]:
    """The ids of the bodies that are read, though each of them is malformed."""
    read, legal = READERS[kind]
    assert read(legal)
    found: list[str] = []
    for body in bodies:
        try:
            read(body)
        except MalformedMessageError:
            continue
        found.append(body)
    return found


def changed(kind: str, **fields: object) -> str:
    """A kind's message with other values in some fields."""
    return json.dumps(json.loads(READERS[kind][1]) | fields)


@given(announcements)
def test_an_announcement_is_read_as_it_was_written(message: Announcement) -> None:
    """Every field of an announcement survives."""
    assert Announcement.from_wire(message.to_wire()) == message


@given(source_messages)
def test_a_source_is_read_as_it_was_written(message: SourceMessage) -> None:
    """Every field of a partition message survives, whatever its scope."""
    assert SourceMessage.from_wire(message.to_wire()) == message


@given(chunk_messages())
def test_a_chunk_is_read_as_it_was_written(message: ChunkMessage) -> None:
    """Every field of a chunk survives, and the order of its connections."""
    read = ChunkMessage.from_wire(message.to_wire())
    assert read == message
    assert list(read.recipients.items()) == list(message.recipients.items())


@given(outcomes())
def test_an_outcome_is_read_as_it_was_written(message: OutcomeMessage) -> None:
    """Every field of an outcome survives."""
    assert OutcomeMessage.from_wire(message.to_wire()) == message


def test_a_new_chunk_omits_the_list_of_remaining_connections() -> None:
    """Without the field, everyone remains."""
    body = chunk_message(3).to_wire()
    assert "remaining" not in json.loads(body)
    assert ChunkMessage.from_wire(body).remaining == 0b111


def test_a_cancelled_chunk_is_readable_by_the_previous_and_the_next_release() -> None:
    """The release before knows it by the time 0 alone; the one after may write the field alone."""
    wire = json.loads(replace(chunk_message(), cancelled=True).to_wire())
    assert (wire["cancelled"], wire["expiresAt"]) == (True, 0)
    assert "cancelled" not in json.loads(chunk_message().to_wire())
    assert not ChunkMessage.from_wire(chunk_message().to_wire()).cancelled
    assert ChunkMessage.from_wire(changed("chunk", expiresAt=0)).cancelled
    assert ChunkMessage.from_wire(changed("chunk", cancelled=True)).cancelled


@each_kind
def test_another_version_is_malformed(kind: str) -> None:
    """Only the number 1 is this release's version."""
    assert accepted(kind, [changed(kind, v=version) for version in (0, 2, 1.0, True, "1", None, [1])]) == []
    with pytest.raises(MalformedMessageError, match="version"):
        READERS[kind][0](changed(kind, v=2))


@each_kind
def test_a_text_that_is_not_a_message_is_malformed(kind: str) -> None:
    """Anything but a JSON object of the version is refused."""
    assert accepted(kind, ["", "null", "[]", "1", '"text"', "{}", "{", "NaN", '{"v":1}']) == []


@each_kind
def test_a_missing_field_is_malformed(kind: str) -> None:
    """Every field of every message is needed, except the bitmap of remaining connections."""
    wire = json.loads(READERS[kind][1])
    needed = wire.keys() - {"remaining"}
    assert accepted(kind, [json.dumps({key: wire[key] for key in wire if key != field}) for field in needed]) == []


WHOLE: list[Any] = [None, True, -1, 1.5, "1", "", []]
BITMAP: list[Any] = [None, 1, "?", "_w==", "/w==", []]
ILLEGAL: dict[str, list[Any]] = {
    "broadcastId": [None, 1, "", "a#b", "x" * 65, []],
    "priority": [None, 1, "", "high", []],
    "deadline": [None, 1, "", "true", []],
    "publishedAt": WHOLE,
    "expiresAt": WHOLE,
    "data": [None, 1, "", [], {}],
    "audience": [None, "all", {}, {"all": False}, {"tenantId": ""}],
    "source": WHOLE,
    "partitions": [None, "acme#00000", ["acme"], [1], {}],
    "chunkId": [None, 0, 0.0, "", "0", "a.b"],
    "endpoint": [None, 1, "", "?", "file:///etc/passwd", []],
    "connections": [None, [], "L1=", {"acme": []}, {"acme#00000": "L1="}, {"acme#00000": [1]}, {"acme#00000": ["a b"]}],
    "young": BITMAP,
    "remaining": BITMAP,
    "youngUntil": WHOLE,
    "attempt": [*WHOLE, 0],
    "size": WHOLE,
    "account": [None, 111111111111, "", "x", "1111", "\u0661" * 12],
    "delivered": BITMAP,
    "gone": BITMAP,
    "failed": BITMAP,
    "expired": [None, 1, "", "true", []],
}


@each_kind
def test_an_illegal_field_is_malformed(kind: str) -> None:
    """A value of another type, or outside its field's grammar, is refused."""
    optional = {"expired"} if kind == "outcome" else {"priority", "deadline"}
    fields = json.loads(READERS[kind][1]).keys() - {"v"} | optional
    assert accepted(kind, [changed(kind, **{field: value}) for field in fields for value in ILLEGAL[field]]) == []


CELL_FORM = "must be 2 to 16 lowercase letters, digits or '-', a letter first"


@pytest.mark.parametrize(
    ("kind", "fields", "reason"),
    [
        ("chunk", {"endpoint": "?"}, "endpoint must be a URL"),
        ("chunk", {"connections": []}, "connections must be lists of ids by partition"),
        ("chunk", {"attempt": 0}, "attempt must be a whole number, 1 or more"),
        ("chunk", {"chunkId": "0"}, "chunkId: must be {source}.{number}"),
        ("chunk", {"v": 2}, "version must be 1"),
        ("outcome", {"account": ""}, "account must be an AWS account id"),
        ("outcome", {"expired": 1}, "expired must be true or false"),
        ("chunk", {"cancelled": 1}, "cancelled must be true or false"),
        ("chunk", {"priority": "high"}, "priority must be normal or low"),
        ("partition", {"partitions": {}}, "partitions must be a list"),
        ("partition", {"room": "acme#lobby"}, "a source has one of partitions, room, player, session"),
        ("announcement", {"publishedAt": -1}, "publishedAt must be a whole number, 0 or more"),
        ("announcement", {"data": ""}, "data is missing"),
        ("announcement", {"cells": {}}, "cells must be a list"),
        ("announcement", {"cells": None}, "cells must be a list"),
        ("announcement", {"cells": ["north", "No"]}, f"cells: {CELL_FORM}"),
        ("announcement", {"cells": [], "contentHash": "0" * 63}, "contentHash must be 64 hex digits"),
        ("announcement", {"cells": ["north"]}, "contentHash must be 64 hex digits"),
        ("announcement", {"encoding": "gzip"}, "encoding must be base64 or absent"),
    ],
)
def test_a_malformed_message_has_a_reason(kind: str, fields: dict[str, object], reason: str) -> None:
    """The dead letter carries it."""
    with pytest.raises(MalformedMessageError) as refused:
        READERS[kind][0](changed(kind, **fields))
    assert str(refused.value) == reason


def test_a_source_has_exactly_one_scope() -> None:
    """None, two, or one whose name is illegal is refused."""
    wire = json.loads(source_message().to_wire())
    del wire["partitions"]
    scopes: list[dict[str, object]] = [
        {},
        {"partitions": [], "room": "acme#lobby"},
        {"room": "acme#lobby", "player": "acme#ann"},
        {"room": "lobby"},
        {"room": "acme#"},
        {"room": "#lobby"},
        {"player": "acme#a#b"},
        {"player": None},
        {"session": "acme#a.b"},
        {"session": ["acme#s1"]},
    ]
    assert accepted("partition", [json.dumps(wire | scope) for scope in scopes]) == []


def test_an_announcement_names_cells_only_in_a_deployment_with_cells() -> None:
    """A hub alone writes the same message as before."""
    assert json.loads(announcement().to_wire()).keys().isdisjoint({"cells", "contentHash"})
    wire = json.loads(replace(announcement(), cells=frozenset({SOUTH, NORTH}), content_hash="0" * 64).to_wire())
    assert (wire["cells"], wire["contentHash"]) == (["north", "south"], "0" * 64)


@pytest.mark.parametrize(
    "message", [announcement(), source_message(), chunk_message()], ids=["announcement", "partition", "chunk"]
)
def test_a_message_names_only_a_priority_other_than_normal(
    message: Announcement | SourceMessage | ChunkMessage,
) -> None:
    """A release without priorities reads and writes the same message as before."""
    assert "priority" not in json.loads(message.to_wire())
    assert json.loads(replace(message, priority=Priority.LOW).to_wire())["priority"] == "low"


@pytest.mark.parametrize(
    ("audience", "group"),
    [(Everyone(), "*"), (OfTenant(TENANT), TENANT), (InRoom(TENANT, RoomKey("red")), TENANT)],
    ids=["everyone", "tenant", "room"],
)
def test_a_broadcast_belongs_to_its_tenant(audience: Audience, group: str) -> None:
    """Messages of a tenant's broadcasts are one group of the queues that tenants share; those to everyone another."""
    assert announcement(audience).group == group


@pytest.mark.parametrize("message", [source_message(), chunk_message()], ids=["partition", "chunk"])
def test_a_group_is_written_where_it_is_known(message: SourceMessage | ChunkMessage) -> None:
    """A former release wrote none, and reads the same message as before."""
    assert "group" not in json.loads(message.to_wire())
    assert json.loads(replace(message, group=TENANT).to_wire())["group"] == TENANT


@pytest.mark.parametrize("group", [1, "", "a b", "**", []])
def test_a_group_that_is_no_tenants_is_malformed(group: object) -> None:
    """SQS would refuse the remaining part of such a chunk."""
    assert accepted("partition", [changed("partition", group=group)]) == []
    assert accepted("chunk", [changed("chunk", group=group)]) == []


@pytest.mark.parametrize("expected", [None, -1, 1.5, "1"])
def test_a_wrong_number_of_recipients_is_malformed(expected: object) -> None:
    """The field is left out if nobody has counted."""
    assert accepted("partition", [changed("partition", expected=expected)]) == []
