"""Rooms, as clients of the talk's page see them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import batched
from typing import Any

import pytest

from loudhailer import codec
from loudhailer.broadcast.audience import InRoom, to_wire
from loudhailer.connections.dynamodb import connection_to_item
from loudhailer.connections.model import CONNECTION_SECONDS, Connection, ConnectionKey
from loudhailer.ids import ConnectionId, RoomKey, SessionId, TenantId, nth_partition
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.rooms.model import SMALL_ROOM
from tests.e2e.scene import Guest, Scene, SceneSession
from tests.support.waiting import eventually
from tools.client.socket import Socket, open_socket

MINUTE = 60


def join(guest: Guest, nickname: str, room: str = "lobby") -> None:
    """Send the frame with which the talk's page joins a room."""
    guest.send_json({"action": "joinroom", "roomKey": room, "nickName": nickname})


def say(guest: Guest, content: str, room: str = "lobby") -> None:
    """Send the frame with which one says something."""
    guest.send_json({"action": "sendmessage", "roomKey": room, "content": content})


class OfSomebody(dict[str, str]):
    """A frame of a room that equals one of any connection and player."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        """Compare all fields but those of the author."""
        fields = other if isinstance(other, dict) else {}
        return dict(self) == {name: fields[name] for name in fields if name not in {"connectionId", "playerId"}}


def joined(nickname: str, room: str = "lobby") -> OfSomebody:
    """The frame that announces a join."""
    return OfSomebody(action="joinroom", roomKey=room, nickName=nickname)


def leave_frame(nickname: str, room: str = "lobby") -> OfSomebody:
    """The frame that announces a leave."""
    return OfSomebody(action="leaveroom", roomKey=room, nickName=nickname)


async def heard(guests: Sequence[Guest]) -> list[tuple[str, str]]:
    """Return author and text of the next message of each guest."""
    frames = [await guest.frame() for guest in guests]
    assert {frame["action"] for frame in frames} == {"sendmessage"}, frames
    return [(frame["nickName"], frame["content"]) for frame in frames]


async def enter(guests: Sequence[Guest], *nicknames: str, room: str = "lobby", among: Sequence[Guest] = ()) -> None:
    """Let guests join a room, one after the other; all earlier members have seen each of them come."""
    inside = list(among)
    for guest, nickname in zip(guests, nicknames, strict=True):
        join(guest, nickname, room)
        inside.append(guest)
        assert [await one.frame() for one in inside] == [joined(nickname, room)] * len(inside)


async def party(scene: Scene, tenant: TenantId, *nicknames: str, room: str = "lobby") -> list[Guest]:
    """Guests in a room, each in a session of its own."""
    guests = [await scene.guest(tenant) for _ in nicknames]
    await enter(guests, *nicknames, room=room)
    return guests


@pytest.mark.image_smoke
async def test_members_of_a_room_receive_its_messages(scene: Scene) -> None:
    """The page's own frames; the nickname that it adds to a message is not trusted."""
    ann, bob = await party(scene, scene.tenant(), "Ann", "Bob")
    before = int(time.time() * 1000)
    spoken = {"action": "sendmessage", "roomKey": "lobby", "nickName": "Bob", "content": "Hello <b>& all</b> 👋"}
    ann.send_json(spoken)
    frames = [await ann.frame(), await bob.frame()]
    sent_at = frames[0]["sentAt"]
    connection_id = await ann.connection_id()
    assert frames == [{**spoken, "nickName": "Ann", "sentAt": sent_at, "connectionId": connection_id}] * 2
    assert before - 1_000 <= sent_at <= int(time.time() * 1000) + 1_000
    say(bob, "Hello Ann")
    assert await heard([ann, bob]) == [("Bob", "Hello Ann")] * 2


async def test_a_member_with_a_taken_nickname_is_distinguishable(scene: Scene) -> None:
    """Each frame of a room names the player and the connection; a name with something invisible in it is refused."""
    tenant = scene.tenant()
    ann, eve = [await scene.connect(await scene.session(tenant, player)) for player in ("ann", "eve")]
    await enter([ann, eve], "Ann", "Ann")
    who = {"nickName": "Ann", "playerId": "eve", "connectionId": await eve.connection_id()}
    say(eve, "I am Ann")
    message = await ann.frame()
    assert {name: message[name] for name in who} == who
    for name in ("Ann\u200b", "\u2060Ann", "A\u00adnn", "An\u3164n", "\u3164"):
        join(eve, name)
    assert "error" not in await eve.frame()
    assert [(await eve.frame())["error"]["code"] for _ in range(5)] == ["INVALID_FIELD"] * 5
    eve.leave()
    assert await ann.frame() == {"action": "leaveroom", "roomKey": "lobby", **who}


async def test_blank_text_is_ignored(scene: Scene) -> None:
    """Nobody hears it, and it is not answered."""
    guests = await party(scene, scene.tenant(), "Ann", "Bob")
    for blank in ("", "   ", "\n\t", "\u3000"):
        say(guests[0], blank)
    assert await scene.received(guests) == [[], []]


async def test_a_leave_is_announced(scene: Scene) -> None:
    """To every remaining member, whether the socket closed or the connection broke; the counts follow."""
    tenant = scene.tenant()
    ann, bob, cid = await party(scene, tenant, "Ann", "Bob", "Cid")
    await scene.counted(tenant, 3)
    ann.leave()
    assert [await bob.frame(), await cid.frame()] == [leave_frame("Ann")] * 2
    await bob.reset()
    assert await cid.frame() == leave_frame("Bob")
    await scene.counted(tenant, 1)


async def test_the_end_of_a_session_is_a_leave(scene: Scene) -> None:
    """All of its connections leave their rooms."""
    tenant = scene.tenant()
    session = await scene.session(tenant)
    leaving = await scene.guests(session, 2)
    (bob,) = await party(scene, tenant, "Bob")
    await enter(leaving, "Ann 1", "Ann 2", among=[bob])
    await scene.api.call("DELETE", "/session", query={"tenantId": tenant, "sessionId": session.session})
    leaves = [await bob.frame(), await bob.frame()]
    assert sorted(frame["nickName"] for frame in leaves) == ["Ann 1", "Ann 2"]
    assert {frame["action"] for frame in leaves} == {"leaveroom"}


async def test_a_stale_member_is_detected_by_the_next_message(scene: Scene) -> None:
    """A lost `$disconnect` leaves its row; the others hear nevertheless, and then that it has left."""
    tenant = scene.tenant()
    ann, bob, cid = await party(scene, tenant, "Ann", "Bob", "Cid")
    await scene.lose(cid)
    say(ann, "anybody there?")
    assert await heard([ann, bob]) == [("Ann", "anybody there?")] * 2
    assert [await ann.frame(), await bob.frame()] == [leave_frame("Cid")] * 2
    await scene.counted(tenant, 2)


async def test_a_stale_member_expires(scene: Scene) -> None:
    """Nobody says anything, so its row stays until it expires."""
    tenant = scene.tenant()
    ann, bob = await party(scene, tenant, "Ann", "Bob")
    (lost,) = await scene.lose(bob)
    (row,) = [row for row in scene.system.connections_of(tenant) if row["connectionId"]["S"] == lost]
    scene.system.change_connection(row, expiresAt=int(time.time()) - MINUTE)
    assert await ann.frame() == leave_frame("Bob")


async def test_joining_another_room_leaves_the_former(scene: Scene) -> None:
    """The former room gets a leave; from then on the member hears, and is heard in, the new room only."""
    tenant = scene.tenant()
    ann, bob = await party(scene, tenant, "Ann", "Bob")
    (cid,) = await party(scene, tenant, "Cid", room="attic")
    join(ann, "Anna", "attic")
    assert [await ann.frame(), await cid.frame()] == [joined("Anna", "attic")] * 2
    assert await bob.frame() == leave_frame("Ann")
    say(ann, "still there?")
    assert (await ann.frame())["error"]["code"] == "NOT_IN_ROOM"
    say(bob, "alone at last")
    assert await heard([bob]) == [("Bob", "alone at last")]
    say(cid, "welcome", "attic")
    assert await heard([ann, cid]) == [("Cid", "welcome")] * 2
    assert await scene.received([ann, bob, cid]) == [[], [], []]


async def test_a_nickname_can_be_changed(scene: Scene) -> None:
    """It is a leave and a join to all; joining again under the same name is answered, and not announced."""
    ann, bob = await party(scene, scene.tenant(), "Ann", "Bob")
    join(ann, "Ann")
    assert await ann.frame() == joined("Ann")
    join(ann, "Queen Ann")
    received = [[await guest.frame(), await guest.frame()] for guest in (ann, bob)]
    for frames in received:
        assert sorted(frames, key=str) == sorted([joined("Queen Ann"), leave_frame("Ann")], key=str)
    say(ann, "hello")
    assert await heard([ann, bob]) == [("Queen Ann", "hello")] * 2


async def test_a_message_from_outside_the_room_is_refused(scene: Scene) -> None:
    """Only the sender gets an answer, and no message is sent."""
    tenant = scene.tenant()
    (ann,) = await party(scene, tenant, "Ann")
    stranger = await scene.guest(tenant)
    connection_id = await stranger.connection_id()
    say(stranger, "let me in")
    frame = await stranger.frame()
    assert (frame["error"]["code"], frame["connectionId"]) == ("NOT_IN_ROOM", connection_id)
    assert await scene.received([ann, stranger]) == [[], []]


async def test_a_message_resent_with_its_id_is_delivered_once(scene: Scene) -> None:
    """A client that got no answer may try again: it is acknowledged each time, and the room hears it once."""
    ann, bob = await party(scene, scene.tenant(), "Ann", "Bob")
    spoken = {"action": "sendmessage", "roomKey": "lobby", "content": "hello", "clientMessageId": "m1"}
    ann.send_json(spoken)
    ack, message = sorted([await ann.frame(), await ann.frame()], key=lambda frame: "action" in frame)
    assert ack == {
        "status": "Message sent!",
        "messageId": message["messageId"],
        "roomKey": "lobby",
        "clientMessageId": "m1",
    }
    ann.send_json(spoken)
    assert await ann.frame() == ack
    ann.send_json(spoken | {"content": "goodbye"})
    refusal = (await ann.frame())["error"]
    assert refusal == {"code": "INVALID_FIELD", "message": "clientMessageId: was used for another message"}
    assert await bob.frame() == message
    assert await scene.received([ann, bob]) == [[], []]


async def test_leaving_without_a_join_is_not_announced(scene: Scene) -> None:
    """Joins of other members are still announced."""
    tenant = scene.tenant()
    ann, bob = await party(scene, tenant, "Ann", "Bob")
    stranger = await scene.guest(tenant)
    stranger.leave()
    await scene.counted(tenant, 2)
    bob.leave()
    assert await ann.frame() == leave_frame("Bob")


async def test_rooms_of_the_same_name_of_two_tenants_are_two_rooms(scene: Scene) -> None:
    """Neither hears the other come, talk or go."""
    ours = await party(scene, scene.tenant(), "Ann", "Bob")
    theirs = await party(scene, scene.tenant(), "Ann", "Bob")
    say(ours[0], "ours")
    say(theirs[0], "theirs")
    assert await heard(ours) == [("Ann", "ours")] * 2
    assert await heard(theirs) == [("Ann", "theirs")] * 2
    ours[1].leave()
    assert await ours[0].frame() == leave_frame("Bob")
    assert await scene.received([ours[0], *theirs]) == [[], [], []]


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"action": "joinroom", "nickName": "Ann"}, "roomKey"),
    ({"action": "joinroom", "roomKey": "a#b", "nickName": "Ann"}, "roomKey"),
    ({"action": "joinroom", "roomKey": "x" * 10_000, "nickName": "Ann"}, "roomKey"),
    ({"action": "joinroom", "roomKey": "lobby"}, "nickName"),
    ({"action": "joinroom", "roomKey": "lobby", "nickName": "   "}, "nickName"),
    ({"action": "joinroom", "roomKey": "lobby", "nickName": "x" * 65}, "nickName"),
    ({"action": "joinroom", "roomKey": "lobby", "nickName": "a\u0000b"}, "nickName"),
    ({"action": "sendmessage", "roomKey": "lo/bby", "content": "hello"}, "roomKey"),
    ({"action": "sendmessage", "roomKey": "lobby"}, "content"),
    ({"action": "sendmessage", "roomKey": "lobby", "content": {"a": 1}}, "content"),
    ({"action": "sendmessage", "roomKey": "lobby", "content": "x" * 4_097}, "content"),
]


async def test_a_bad_field_is_refused_with_its_name(scene: Scene) -> None:
    """The room hears nothing of it."""
    (ann,) = await party(scene, scene.tenant(), "Ann")
    named = []
    for frame, _ in BAD_FIELDS:
        ann.send_json(frame)
        error = (await ann.frame())["error"]
        assert error["code"] == "INVALID_FIELD", frame
        named.append((frame, error["message"].partition(": ")[0]))
    assert named == BAD_FIELDS
    say(ann, "hello")
    assert await heard([ann]) == [("Ann", "hello")]


async def test_a_member_over_the_message_limit_is_throttled(scene: Scene) -> None:
    """Only the sender gets an answer; joins count as well."""
    tenant = scene.tenant(messages_per_minute=2)
    ann, bob = await party(scene, tenant, "Ann", "Bob")
    for number in range(5):  # two minutes have room for four at most
        say(ann, f"number {number}")
    frames = [await ann.frame() for _ in range(5)]
    throttled = [frame for frame in frames if frame.get("message") == "Too Many Requests"]
    spoken = [frame for frame in frames if frame.get("action") == "sendmessage"]
    assert len(throttled) + len(spoken) == 5
    assert throttled
    assert throttled[0].keys() == {"message", "connectionId", "requestId"}
    further, others = await scene.received([ann, bob])
    assert further == []
    assert sorted(others, key=str) == sorted(spoken, key=str)


@pytest.mark.image_smoke
async def test_a_broadcast_to_a_room_reaches_its_current_members(scene: Scene) -> None:
    """The present rows decide: not to former members, another room, or another tenant's room."""
    tenant = scene.tenant()
    ann, bob, cid = await party(scene, tenant, "Ann", "Bob", "Cid")
    (stranger,) = await party(scene, scene.tenant(), "Ann")
    await enter([cid], "Cid", room="attic")
    assert [await ann.frame(), await bob.frame()] == [leave_frame("Cid")] * 2
    broadcast = await scene.broadcast({"tenantId": tenant, "roomKey": "lobby"}, {"tea": "is served"})
    for guest in (ann, bob):
        frame = await guest.frame()
        assert (frame["id"], frame["data"]) == (broadcast, {"tea": "is served"})
    report = await scene.report(broadcast)
    assert (report["dispatched"], report["delivered"]) == (2, 2)
    assert await scene.received([cid, stranger]) == [[], []]


class Listener(Socket):
    """A socket that counts its frames."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: Counter[bytes] = Counter()

    def on_message(self, payload: bytes) -> None:
        """Count the message."""
        self.heard[payload] += 1


async def connections(scene: Scene) -> set[str]:
    """The ids of all connections that are open."""
    return set((await scene.gateway("connections"))["connection_ids"])


@asynccontextmanager
async def audience(scene: Scene, session: SceneSession, size: int) -> AsyncIterator[list[Listener]]:
    """Open sockets in the room `hall`, whose rows are written in bulk: joining takes the local AWS minutes."""
    before = await connections(scene)
    await scene.faults(skip_connect=True, drop_disconnect=1.0)
    gate = asyncio.Semaphore(100)

    async def listener() -> Listener:
        async with gate:
            return await open_socket(Listener, session.url)

    listeners = await asyncio.gather(*(listener() for _ in range(size)))
    await scene.faults()
    ids = await connections(scene) - before
    assert len(ids) == size

    async def all_left() -> bool:
        return ids.isdisjoint(await connections(scene))

    rows = [_in_hall(session.tenant, session.session, number, one) for number, one in enumerate(sorted(ids))]
    keys = [{name: row[name] for name in ("partition", "connectionId")} for row in rows]
    partitions = DynamoPartitionStore(scene.system.dynamodb, scene.system.table("partitions"))
    for number in range(2):
        partitions.open(nth_partition(session.tenant, number))
    try:
        _write(scene, [{"PutRequest": {"Item": row}} for row in rows])
        yield listeners
    finally:
        _write(scene, [{"DeleteRequest": {"Key": key}} for key in keys])
        await scene.faults(drop_disconnect=1.0)
        for one in listeners:
            one.leave()
        await eventually(all_left)


def _in_hall(tenant: TenantId, session: SessionId, number: int, connection: str) -> dict[str, Any]:
    """The row of a connection that joined the room a while ago."""
    now = int(time.time())
    key = ConnectionKey(nth_partition(tenant, number % 2), ConnectionId(connection))
    return {
        **connection_to_item(Connection(key, session, now - MINUTE, now + CONNECTION_SECONDS)),
        "roomKey": {"S": "hall"},
        "roomIndexKey": {"S": f"{tenant}#hall"},
        "nickName": {"S": f"listener {number}"},
    }


def _write(scene: Scene, requests: Sequence[Any]) -> None:
    table = scene.system.table("connections")
    for batch in batched(requests, 25, strict=False):
        pending: Any = {table: list(batch)}
        while pending:
            pending = scene.system.dynamodb.batch_write_item(RequestItems=pending)["UnprocessedItems"]


@pytest.mark.parametrize("size", [200, pytest.param(2_000, marks=pytest.mark.nightly)])
async def test_a_message_to_a_large_room_reaches_its_members(scene: Scene, size: int) -> None:
    """It becomes a broadcast with a report; in so large a room joins and leaves are not announced."""
    assert size > SMALL_ROOM
    tenant = scene.tenant(tenant_connections=10_000)
    session = await scene.session(tenant)
    ann, bob = await scene.guests(session, 2)
    async with audience(scene, session, size) as listeners:
        for guest, nickname in ((bob, "Bob"), (ann, "Ann")):
            join(guest, nickname, "hall")
            assert await guest.frame() == joined(nickname, "hall")
        say(ann, "can you hear me at the back?", "hall")
        assert await heard([ann, bob]) == [("Ann", "can you hear me at the back?")] * 2
        await eventually(lambda: sum(bool(one.heard) for one in listeners), lambda number: number == size)
        report = await scene.report(_broadcast_to_hall(scene, tenant))
        assert (report["dispatched"], report["delivered"]) == (size + 2, size + 2)
        ann.leave()
        await eventually(lambda: len(scene.system.connections_of(tenant)), lambda rows: rows == size + 1)
        assert await scene.received([bob]) == [[]]
        payloads_of_each = [
            [payload for payload in one.heard if b'"type":"broadcast"' not in payload] for one in listeners
        ]
        assert {len(payloads) for payloads in payloads_of_each} == {1}


def _broadcast_to_hall(scene: Scene, tenant: TenantId) -> str:
    """The id of the one broadcast to the room."""
    pages = scene.system.dynamodb.get_paginator("scan").paginate(
        TableName=scene.system.table("broadcasts"),
        FilterExpression="audience = :hall",
        ExpressionAttributeValues={":hall": {"S": codec.encode_text(to_wire(InRoom(tenant, RoomKey("hall"))))}},
    )
    (summary,) = (item for page in pages for item in page["Items"])
    return str(summary["broadcastId"]["S"])
