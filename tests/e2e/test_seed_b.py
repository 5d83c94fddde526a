"""Seed B, direct messages, row by row: what that system does, and the holes of it that are closed here.

`docs/conformance.md` names the row behind each test. Frames are sent as that system's clients send them.
"""

from typing import Any

import pytest

from loudhailer.ids import TenantId
from tests.e2e.scene import Guest, Scene, Session
from tests.e2e.system import Item
from tests.support.waiting import eventually
from tools.client.socket import socket_url


def direct(source: str, destination: Any, message: Any) -> dict[str, Any]:
    """A frame as that system's clients send it."""
    return {
        "routeKey": "sendmessage",
        "action": "sendmessage",
        "message": message,
        "playerId": source,
        "destinationPlayerId": destination,
    }


async def player(scene: Scene, tenant: TenantId, player_id: str) -> Guest:
    """A player, connected as that system's clients are: with `playerId` in the URL."""
    session = await scene.session(tenant, player_id)
    return await scene.connect(Session(session.tenant, session.session, socket_url(session.url, playerId=player_id)))


async def acknowledged(sender: Guest, frame: dict[str, Any]) -> dict[str, Any]:
    """Send a frame; the acknowledgement."""
    sender.send_json(frame)
    ack: dict[str, Any] = await sender.frame()
    assert ack["status"] == "Message sent!", ack
    return ack


def inbox(scene: Scene, tenant: TenantId, player_id: str) -> list[Item]:
    """The messages that wait for a player."""
    return scene.system.dynamodb.query(
        TableName=scene.system.table("messages"),
        KeyConditionExpression="inbox = :inbox",
        ExpressionAttributeValues={":inbox": {"S": f"{tenant}#{player_id}"}},
        ConsistentRead=True,
    )["Items"]


async def test_a_message_is_acknowledged_to_its_sender_and_reaches_its_receiver(scene: Scene) -> None:
    """Both frames have that system's fields; the receiver's says who wrote which message, and when."""
    tenant = scene.tenant()
    one, two = await player(scene, tenant, "1"), await player(scene, tenant, "2")
    ack = await acknowledged(one, direct("1", "2", "Hello"))
    assert ack == {
        "status": "Message sent!",
        "messageId": ack["messageId"],
        "message": "Hello",
        "srcPlayerId": "1",
        "destinationPlayerId": "2",
    }
    frame = await two.frame()
    assert frame == {
        "message": "Hello",
        "messageId": ack["messageId"],
        "srcPlayerId": "1",
        "sentAt": frame["sentAt"],
    }
    assert isinstance(frame["sentAt"], int)


async def test_sent_means_stored_and_the_stream_delivers(scene: Scene) -> None:
    """The acknowledged message stands in the table; it leaves it when the receiver has it."""
    tenant = scene.tenant()
    one = await player(scene, tenant, "1")
    ack = await acknowledged(one, direct("1", "2", "Hello"))
    assert [row["messageId"]["S"] for row in inbox(scene, tenant, "2")] == [ack["messageId"]]
    two = await player(scene, tenant, "2")
    assert (await two.frame())["messageId"] == ack["messageId"]
    await eventually(lambda: inbox(scene, tenant, "2") == [])


async def test_an_authorizer_lets_in_who_has_a_session(scene: Scene) -> None:
    """A `playerId` alone is no identity."""
    assert (await scene.refusal(playerId="1")).status == 401


async def test_a_player_that_sends_too_much_is_told_and_others_are_not(scene: Scene) -> None:
    """The limit of messages in a minute is each player's own."""
    tenant = scene.tenant(messages_per_minute=2)
    one, two = await player(scene, tenant, "1"), await player(scene, tenant, "2")
    answers = []
    for number in range(6):  # whichever minute it is, three of them are in the same one
        one.send_json(direct("1", "3", number))
        answers.append(await one.frame())
    (throttled, *_) = [answer for answer in answers if "status" not in answer]
    assert throttled.keys() == {"message", "connectionId", "requestId"}
    assert throttled["message"] == "Too Many Requests"
    await acknowledged(two, direct("2", "3", "Hello"))


async def test_a_connections_row_goes_with_the_connection(scene: Scene) -> None:
    """Nothing is left of a player who has gone."""
    one = await player(scene, tenant := scene.tenant(), "1")
    one.leave()
    await eventually(lambda: scene.system.connections_of(tenant) == [])


async def test_a_player_cannot_connect_or_send_as_another(scene: Scene) -> None:
    """The session says who it is: a handshake that claims another is refused, and so is a frame."""
    tenant = scene.tenant()
    session = await scene.session(tenant, "1")
    assert (await scene.refusal(tenantId=tenant, sessionId=session.session, playerId="2")).status == 403
    one, two = await scene.connect(session), await player(scene, tenant, "2")
    one.send_json(direct("3", "2", "I am 3"))
    assert (await one.frame())["error"]["code"] == "OTHER_PLAYER"
    assert await scene.received([two]) == [[]]


async def test_all_of_a_players_connections_receive_also_when_an_older_one_leaves(scene: Scene) -> None:
    """Several devices get the same message, and a late disconnect of the first takes nothing from the second."""
    tenant = scene.tenant()
    one, phone, laptop = [await player(scene, tenant, player_id) for player_id in ("1", "2", "2")]
    ack = await acknowledged(one, direct("1", "2", "to both"))
    assert [(await device.frame())["messageId"] for device in (phone, laptop)] == [ack["messageId"]] * 2
    phone.leave()
    await scene.counted(tenant, 2)
    ack = await acknowledged(one, direct("1", "2", "to the laptop"))
    assert (await laptop.frame())["messageId"] == ack["messageId"]


async def test_an_offline_player_gets_its_messages_on_return(scene: Scene) -> None:
    """In the order in which they were sent."""
    tenant = scene.tenant()
    one = await player(scene, tenant, "1")
    for number in range(5):
        await acknowledged(one, direct("1", "2", number))
    two = await player(scene, tenant, "2")
    assert [(await two.frame())["message"] for _ in range(5)] == [0, 1, 2, 3, 4]


async def test_an_expired_message_is_not_delivered(scene: Scene) -> None:
    """Its time is over although its row still stands: the one behind it comes alone."""
    tenant = scene.tenant()
    one = await player(scene, tenant, "1")
    await acknowledged(one, direct("1", "2", "too late"))
    (row,) = inbox(scene, tenant, "2")
    scene.system.dynamodb.put_item(TableName=scene.system.table("messages"), Item=row | {"expiresAt": {"N": "1"}})
    await acknowledged(one, direct("1", "2", "in time"))
    two = await player(scene, tenant, "2")
    assert (await two.frame())["message"] == "in time"
    assert await scene.received([two]) == [[]]


@pytest.mark.parametrize("destination", ["", None, 2, "a#b", "a/b", "\0", "ä", "2" * 10_000, ["2"], {"2": "2"}])
async def test_a_frame_that_cannot_be_delivered_is_not_acknowledged(scene: Scene, destination: Any) -> None:
    """An error frame comes in place of `Message sent!`."""
    one = await player(scene, scene.tenant(), "1")
    one.send_json(direct("1", destination, "Hello"))
    frame = await one.frame()
    assert frame.keys() == {"error", "connectionId", "requestId"}
    assert frame["error"]["code"] == "INVALID_FIELD"


async def test_nobody_connects_as_a_player_without_a_name(scene: Scene) -> None:
    """An empty `playerId` is refused, by the API and by the handshake."""
    session = await scene.session(tenant := scene.tenant())
    query = {"tenantId": tenant, "sessionId": session.session, "playerId": ""}
    assert await scene.api.call("PUT", "/session", query=query, success=400) == "Invalid request"
    assert (await scene.refusal(**query)).status == 403


async def test_only_a_new_message_is_delivered(scene: Scene) -> None:
    """The stream also tells that the message is deleted; that delivers nothing."""
    tenant = scene.tenant()
    one, two = await player(scene, tenant, "1"), await player(scene, tenant, "2")
    await acknowledged(one, direct("1", "2", "once"))
    assert (await two.frame())["message"] == "once"
    await eventually(lambda: inbox(scene, tenant, "2") == [])
    await acknowledged(one, direct("1", "2", "next"))
    assert (await two.frame())["message"] == "next"
    assert await scene.received([two]) == [[]]


async def test_messages_of_one_sender_to_one_receiver_keep_their_order(scene: Scene) -> None:
    """However fast they are sent, as long as each is sent after the one before was acknowledged."""
    tenant = scene.tenant()
    one, two = await player(scene, tenant, "1"), await player(scene, tenant, "2")
    for number in range(30):
        await acknowledged(one, direct("1", "2", number))
    assert [(await two.frame())["message"] for _ in range(30)] == list(range(30))
