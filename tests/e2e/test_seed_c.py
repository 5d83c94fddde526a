"""Seed C, a chat and what it costs, row by row: what that system does, and the holes of it that are closed here.

`docs/conformance.md` names the row behind each test. Frames are sent as that system's page sends them.
"""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from loudhailer.ids import TenantId
from tests.e2e.scene import Guest, Scene
from tests.support.waiting import eventually

MINUTE = 60
TWO_HOURS = 2 * 3600
ROOM = "lobby"


def joining(nickname: str, room: str = ROOM) -> dict[str, Any]:
    """A frame that asks to join a room."""
    return {"action": "joinroom", "roomKey": room, "nickName": nickname}


def saying(content: str, room: str = ROOM, **fields: str) -> dict[str, Any]:
    """A frame that says something in a room."""
    return {"action": "sendmessage", "roomKey": room, "content": content, **fields}


async def chat(scene: Scene, tenant: TenantId, *nicknames: str) -> list[Guest]:
    """Guests that are in the room together, and have read who joined."""
    guests: list[Guest] = []
    for nickname in nicknames:
        guest = await scene.guest(tenant)
        guest.send_json(joining(nickname))
        guests.append(guest)
        for member in guests:
            assert await member.frame() == joining(nickname)
    return guests


async def heard(guests: Sequence[Guest], nickname: str, content: str) -> None:
    """All of them get what somebody said."""
    for guest in guests:
        frame = await guest.frame()
        said = {"action": "sendmessage", "roomKey": ROOM, "nickName": nickname, "content": content}
        assert frame == said | {"sentAt": frame["sentAt"]}
        assert abs(frame["sentAt"] / 1000 - time.time()) < MINUTE


async def test_its_routes_are_there(scene: Scene) -> None:
    """`$connect`, `joinroom`, `sendmessage`, `$default` and `$disconnect`, one after the other."""
    (ann,) = await chat(scene, tenant := scene.tenant(), "ann")
    ann.send_json(saying("hello"))
    await heard([ann], "ann", "hello")
    ann.send_json({"action": "fly"})
    assert (await ann.frame())["error"]["code"] == "UNKNOWN_ACTION"
    ann.leave()
    await scene.counted(tenant, 0)


async def test_everyone_in_the_room_sees_who_said_what_and_when(scene: Scene) -> None:
    """The sender too; who is in another room hears nothing."""
    tenant = scene.tenant()
    ann, bob = await chat(scene, tenant, "ann", "bob")
    eve = await scene.guest(tenant)
    eve.send_json(joining("eve", "cellar"))
    await eve.frame()
    bob.send_json(saying("hello, ann"))
    await heard([ann, bob], "bob", "hello, ann")
    assert await scene.received([eve]) == [[]]


async def test_the_nickname_of_a_frame_is_not_trusted(scene: Scene) -> None:
    """Its page adds it; what counts is the one that the speaker joined with."""
    ann, bob = await chat(scene, scene.tenant(), "ann", "bob")
    bob.send_json(saying("I am ann", nickName="ann"))
    await heard([ann, bob], "bob", "I am ann")


async def test_joins_and_leaves_are_announced(scene: Scene) -> None:
    """To everyone who is there, as the page reads them."""
    ann, bob = await chat(scene, scene.tenant(), "ann", "bob")
    bob.leave()
    assert await ann.frame() == {"action": "leaveroom", "roomKey": ROOM, "nickName": "bob"}


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u3000"])
async def test_blank_text_is_ignored(scene: Scene, blank: str) -> None:
    """Nobody gets it, and nothing is wrong with it."""
    ann, bob = await chat(scene, scene.tenant(), "ann", "bob")
    bob.send_json(saying(blank))
    bob.send_json(saying("hello"))
    await heard([ann, bob], "bob", "hello")


async def test_rows_expire(scene: Scene) -> None:
    """Their time is in seconds, as TTL wants it, and a row whose time is over goes."""
    await scene.guest(tenant := scene.tenant())
    (row,) = scene.system.connections_of(tenant)
    left = int(row["expiresAt"]["N"]) - time.time()
    assert TWO_HOURS < left < TWO_HOURS + 10 * MINUTE
    ttl = scene.system.dynamodb.describe_time_to_live(TableName=scene.system.table("connections"))
    assert ttl["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}


async def test_a_stale_connection_does_not_fail_the_room(scene: Scene) -> None:
    """Somebody vanished without a word: all others still hear what is said."""
    ann, bob, eve = await chat(scene, scene.tenant(), "ann", "bob", "eve")
    await scene.lose(bob)
    eve.send_json(saying("is anybody here?"))
    assert [frame for frame in [await ann.frame(), await ann.frame()] if frame["action"] == "sendmessage"]
    await eventually(eve.frame, lambda frame: frame["action"] == "sendmessage")


async def test_nobody_speaks_in_a_room_without_joining_it(scene: Scene) -> None:
    """An error frame comes back, and the room hears nothing."""
    tenant = scene.tenant()
    (ann,) = await chat(scene, tenant, "ann")
    eve = await scene.guest(tenant)
    eve.send_json(saying("let me in"))
    assert (await eve.frame())["error"]["code"] == "NOT_IN_ROOM"
    assert await scene.received([ann]) == [[]]


async def test_who_never_joined_leaves_without_a_trace(scene: Scene) -> None:
    """Its connection goes, nothing fails, and nobody is told."""
    tenant = scene.tenant()
    (ann,) = await chat(scene, tenant, "ann")
    eve = await scene.guest(tenant)
    eve.leave()
    await scene.counted(tenant, 1)
    assert await scene.received([ann]) == [[]]
