"""Direct messages from player to player, also where something is in the way."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from loudhailer.aws.rows import Item
from loudhailer.ids import TenantId
from tests.e2e.faults import Workers, paused, visible_again_after
from tests.e2e.scene import Guest, Scene, SceneSession
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tools.client.socket import socket_url

SENDER, RECEIVER, OTHER = "1", "2", "3"
WAITING = 110
"""More than are read from an inbox at once."""

MANY = 150
AT_ONCE = 60
LONG = "x" * 30_000
"""Sixty of these are more than may wait for a client that does not read."""


async def player(scene: Scene, tenant: TenantId, name: str) -> Guest:
    """A player who connects, in a session of its own."""
    return await scene.connect(await scene.session(tenant, name))


def send(sender: Guest, message: object, destination: str = RECEIVER) -> None:
    """Send a direct message."""
    sender.send_json({"action": "sendmessage", "message": message, "destinationPlayerId": destination})


async def acknowledged(sender: Guest, messages: Iterable[object], destination: str = RECEIVER) -> None:
    """Send each message once the one before is acknowledged."""
    for message in messages:
        send(sender, message, destination)
        assert (ack := await sender.frame()).get("status") == "Message sent!", ack


async def messages(receiver: Guest, number: int) -> list[Any]:
    """Return the messages of the next frames."""
    return [(await receiver.frame())["message"] for _ in range(number)]


async def distinct(receiver: Guest, number: int) -> tuple[list[Any], int]:
    """The messages of so many different ids, as they first arrived, and the number of repetitions in between."""
    first: dict[str, Any] = {}
    frames = 0
    while len(first) < number:
        frame = await receiver.frame()
        first.setdefault(frame["messageId"], frame["message"])
        frames += 1
    return list(first.values()), frames - number


def waiting(scene: Scene, tenant: TenantId, name: str = RECEIVER) -> list[Item]:
    """The messages in a player's inbox."""
    return scene.system.dynamodb.query(
        TableName=scene.system.table("messages"),
        KeyConditionExpression="inbox = :inbox",
        ExpressionAttributeValues={":inbox": {"S": f"{tenant}#{name}"}},
        ConsistentRead=True,
    )["Items"]


@asynccontextmanager
async def slow_handshake(scene: Scene, tenant: TenantId, seconds: float) -> AsyncIterator["asyncio.Task[Guest]"]:
    """A receiver whose connection is recorded, and not open yet, for so many seconds."""
    session = await scene.session(tenant, RECEIVER)
    before = len(scene.system.connections_of(tenant))
    await scene.faults(connect_delay_ms=seconds * 1_000)
    connecting = asyncio.create_task(scene.connect(session))
    await eventually(lambda: len(scene.system.connections_of(tenant)) > before)
    yield connecting


@pytest.mark.image_smoke
async def test_a_message_is_acknowledged_stored_delivered_once_and_deleted(scene: Scene) -> None:
    """Clients name both players in the URL and in the frame; an acknowledged message is in the table."""
    tenant = scene.tenant()
    one = await player(scene, tenant, SENDER)
    frame = {"routeKey": "sendmessage", "action": "sendmessage", "message": "Hello", "playerId": SENDER}
    one.send_json(frame | {"destinationPlayerId": RECEIVER})
    ack = await one.frame()
    assert ack == {
        "status": "Message sent!",
        "messageId": ack["messageId"],
        "message": "Hello",
        "srcPlayerId": SENDER,
        "destinationPlayerId": RECEIVER,
    }
    assert [row["messageId"]["S"] for row in waiting(scene, tenant)] == [ack["messageId"]]
    session = await scene.session(tenant, RECEIVER)
    url = socket_url(session.url, playerId=RECEIVER)
    two = await scene.connect(SceneSession(session.tenant, session.session, url))
    frame = await two.frame()
    assert frame == {
        "message": "Hello",
        "messageId": ack["messageId"],
        "srcPlayerId": SENDER,
        "sentAt": frame["sentAt"],
    }
    assert isinstance(frame["sentAt"], int)
    await eventually(lambda: waiting(scene, tenant) == [])
    await acknowledged(one, ["next"])
    assert await messages(two, 1) == ["next"]
    assert await scene.received([two]) == [[]]


async def test_a_message_resent_with_its_id_arrives_once(scene: Scene) -> None:
    """Also over another connection of the player, and after it was delivered."""
    tenant = scene.tenant()
    one, two = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    frame = {"action": "sendmessage", "message": "Hello", "destinationPlayerId": RECEIVER, "clientMessageId": "m1"}
    one.send_json(frame)
    ack = await one.frame()
    assert ack["clientMessageId"] == "m1"
    assert (await two.frame())["messageId"] == ack["messageId"]
    await eventually(lambda: waiting(scene, tenant) == [])
    another = await player(scene, tenant, SENDER)
    another.send_json(frame)
    assert await another.frame() == ack
    assert await scene.received([one, two, another]) == [[], [], []]


async def test_a_player_cannot_send_as_another(scene: Scene) -> None:
    """The session identifies the player: a frame that claims another one is refused."""
    tenant = scene.tenant()
    one, two = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    one.send_json({"action": "sendmessage", "message": "I am 3", "playerId": OTHER, "destinationPlayerId": RECEIVER})
    assert (await one.frame())["error"]["code"] == "OTHER_PLAYER"
    assert await scene.received([two]) == [[]]


async def test_the_message_limit_applies_to_each_player_separately(scene: Scene) -> None:
    """The limit of messages in a minute is each player's own."""
    tenant = scene.tenant(messages_per_minute=2)
    one, two = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    answers = []
    for number in range(6):  # whichever minute it is, three of them are in the same one
        send(one, number, OTHER)
        answers.append(await one.frame())
    (throttled, *_) = [answer for answer in answers if "status" not in answer]
    assert throttled.keys() == {"message", "connectionId", "requestId"}
    assert throttled["message"] == "Too Many Requests"
    await acknowledged(two, ["Hello"], OTHER)


async def test_an_expired_message_is_not_delivered(scene: Scene) -> None:
    """It has expired although its row still exists: only the one behind it comes."""
    tenant = scene.tenant()
    one = await player(scene, tenant, SENDER)
    await acknowledged(one, ["too late"])
    (row,) = waiting(scene, tenant)
    scene.system.dynamodb.put_item(TableName=scene.system.table("messages"), Item=row | {"expiresAt": {"N": "1"}})
    await acknowledged(one, ["in time"])
    two = await player(scene, tenant, RECEIVER)
    assert await messages(two, 1) == ["in time"]
    assert await scene.received([two]) == [[]]


@pytest.mark.image_smoke
async def test_many_messages_arrive_in_order_before_and_after_a_connect(scene: Scene) -> None:
    """Most are sent before the receiver connects, more than are read at once; the others to its two devices.

    A late disconnect of the first device takes nothing from the second.
    """
    tenant = scene.tenant()
    sender = await player(scene, tenant, SENDER)
    await acknowledged(sender, range(WAITING))
    phone = await player(scene, tenant, RECEIVER)
    rest = asyncio.create_task(acknowledged(sender, range(WAITING, MANY)))
    assert await messages(phone, MANY) == list(range(MANY))
    await rest
    laptop = await player(scene, tenant, RECEIVER)
    await acknowledged(sender, "abc")
    assert [await messages(device, 3) for device in (phone, laptop)] == [["a", "b", "c"]] * 2
    await eventually(lambda: waiting(scene, tenant) == [])
    phone.leave()
    await scene.counted(tenant, 2)
    await acknowledged(sender, ["to the laptop"])
    assert await messages(laptop, 1) == ["to the laptop"]


async def test_concurrent_messages_arrive_once_with_the_gateways_time(scene: Scene) -> None:
    """The gateway hands them on side by side; their times say in which order it took them, to the millisecond."""
    tenant = scene.tenant()
    sender, receiver = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    for number in range(AT_ONCE):
        send(sender, number)
    acks = [await sender.frame() for _ in range(AT_ONCE)]
    frames = [await receiver.frame() for _ in range(AT_ONCE)]
    assert {ack["messageId"] for ack in acks} == {frame["messageId"] for frame in frames}
    as_sent = sorted(frames, key=lambda frame: frame["message"])
    assert [frame["message"] for frame in as_sent] == list(range(AT_ONCE))
    assert [frame["sentAt"] for frame in as_sent] == sorted(frame["sentAt"] for frame in frames)
    assert await scene.received([receiver]) == [[]]


async def test_a_waiting_message_arrives_after_a_long_handshake(scene: Scene) -> None:
    """The connection's row wakes the inbox while a post to the connection still is answered 410."""
    tenant = scene.tenant()
    sender = await player(scene, tenant, SENDER)
    await acknowledged(sender, "ab")
    async with slow_handshake(scene, tenant, 2.0) as connecting:
        assert await messages(await connecting, 2) == ["a", "b"]


async def test_a_message_sent_during_the_handshake_arrives(scene: Scene) -> None:
    """Its inbox was woken for the connection before, and found empty."""
    tenant = scene.tenant()
    sender = await player(scene, tenant, SENDER)
    async with slow_handshake(scene, tenant, 4.0) as connecting:
        await asyncio.sleep(1)
        await acknowledged(sender, "a")
        assert not connecting.done()
        assert await messages(await connecting, 1) == ["a"]


async def test_a_player_that_does_not_read_delays_no_other_player(scene: Scene) -> None:
    """The others get theirs while its inbox cannot be emptied; it gets all of its own when it reads again."""
    tenant = scene.tenant()
    sender, slow, other = [await player(scene, tenant, name) for name in (SENDER, RECEIVER, OTHER)]
    slow.stop_reading()
    texts = [f"{number} {LONG}" for number in range(60)]
    await acknowledged(sender, texts)
    await eventually(lambda: scene.gateway("stats"), lambda stats: stats["posts"].get("429", 0) > 0)
    await acknowledged(sender, range(20), OTHER)
    assert await messages(other, 20) == list(range(20))
    assert waiting(scene, tenant) != []
    slow.resume_reading()
    assert await messages(slow, 60) == texts


async def test_a_message_sent_while_a_second_device_connects_reaches_both(scene: Scene) -> None:
    """The first one takes it at once; it stays in the inbox until the second one has it, too."""
    tenant = scene.tenant()
    sender, phone = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    await acknowledged(sender, ["first"])
    assert await messages(phone, 1) == ["first"]
    async with slow_handshake(scene, tenant, 1.5) as connecting:
        await acknowledged(sender, "a")
        assert await messages(phone, 1) == ["a"]
        assert not connecting.done()
        laptop = await connecting
        assert await messages(laptop, 1) == ["a"]
    await acknowledged(sender, "b")
    assert [await messages(device, 1) for device in (phone, laptop)] == [["b"]] * 2


async def test_a_second_device_that_connects_too_slowly_for_a_message_is_closed(scene: Scene) -> None:
    """As soon as it is open: its client knows that it missed something. The first one waits for nothing."""
    tenant = scene.tenant()
    sender, phone = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    await acknowledged(sender, ["first"])
    assert await messages(phone, 1) == ["first"]
    async with slow_handshake(scene, tenant, 8.0) as connecting:
        await acknowledged(sender, "abc")
        assert await messages(phone, 3) == ["a", "b", "c"]
        assert not connecting.done()
        laptop = await connecting
        await laptop.closed(PATIENCE_SECONDS)
    await scene.faults()
    again = await player(scene, tenant, RECEIVER)
    await acknowledged(sender, "d")
    assert [await messages(device, 1) for device in (phone, again)] == [["d"]] * 2


async def test_a_device_that_does_not_read_blocks_no_other_device(scene: Scene) -> None:
    """The messages are delivered, and leave the inbox, though a device of the player takes no more: it is closed."""
    tenant = scene.tenant()
    sender, slow, reader = [await player(scene, tenant, name) for name in (SENDER, RECEIVER, RECEIVER)]
    slow.stop_reading()
    texts = [f"{number} {LONG}" for number in range(60)]
    await acknowledged(sender, texts)
    assert await messages(reader, 60) == texts
    await eventually(lambda: waiting(scene, tenant) == [])
    slow.resume_reading()
    await slow.closed(PATIENCE_SECONDS)


async def test_failed_posts_keep_the_order_and_only_lost_answers_cause_duplicates(scene: Scene) -> None:
    """A post is tried again until the gateway says that it took the frame."""
    tenant = scene.tenant()
    sender, receiver = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    await scene.faults(error_rate=0.2, reset_rate=0.1, throttle_rate=0.1)
    await acknowledged(sender, range(30))
    assert await messages(receiver, 30) == list(range(30))
    before = (await scene.gateway("stats"))["posts_reset"]
    await scene.faults(lost_response_rate=0.3)
    await acknowledged(sender, range(30))
    found, doubles = await distinct(receiver, 30)
    await eventually(lambda: waiting(scene, tenant) == [])
    lost = (await scene.gateway("stats"))["posts_reset"] - before
    await scene.faults()
    assert found == list(range(30))
    assert doubles + len((await scene.received([receiver]))[0]) == lost


async def test_a_relay_killed_after_posting_keeps_every_message_in_order(scene: Scene) -> None:
    """Its wake is delivered again, and the inbox is posted again: messages that were not deleted arrive twice."""
    tenant = scene.tenant()
    sender, receiver = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    await acknowledged(sender, ["first"])
    assert await messages(receiver, 1) == ["first"]
    with visible_again_after(scene.system, 5, "inbox"):
        dying = await Workers(scene.system, "relay_message").kill_when(lambda: not receiver._messages.empty())
        await acknowledged(sender, "abc")
        await dying
        found, _ = await distinct(receiver, 3)
    assert found == ["a", "b", "c"]
    await eventually(lambda: waiting(scene, tenant) == [])


async def test_a_presence_killed_after_waking_an_inbox_causes_no_duplicate(scene: Scene) -> None:
    """The stream brings the record again, and the queue knows the wake."""
    tenant = scene.tenant()
    sender, receiver = await player(scene, tenant, SENDER), await player(scene, tenant, RECEIVER)
    await acknowledged(sender, ["first"])
    assert await messages(receiver, 1) == ["first"]
    with paused(scene.system, "inbox"):
        dying = await Workers(scene.system, "presence").kill_when(lambda: scene.system.waiting("inbox"))
        await acknowledged(sender, "a")
        await dying
    assert await messages(receiver, 1) == ["a"]
    await acknowledged(sender, "b")
    assert await messages(receiver, 1) == ["b"]
    assert await scene.received([receiver]) == [[]]
