"""Channels, as clients use them."""

from typing import Any

import pytest

from loudhailer import ids
from loudhailer.channels.model import SubscriberKey
from loudhailer.ids import TenantId
from tests.e2e.scene import Guest, Scene
from tests.support.waiting import eventually

GRANTS = {"news/*": "s", "sport": "s"}


async def follower(scene: Scene, tenant: TenantId, **grants: str) -> Guest:
    """A guest whose session may follow news and sport."""
    return await scene.connect(await scene.session(tenant, grants=GRANTS | grants))


async def ask(guest: Guest, action: str, *channels: str) -> dict[str, str | None]:
    """The code of each channel's error, or None, in the answer to a frame."""
    guest.send_json({"action": action, "channels": [*channels]})
    answer = await guest.frame()
    assert answer["type"] == f"{action}d"
    return {result["channel"]: result.get("error", {}).get("code") for result in answer["results"]}


async def publish(scene: Scene, tenant: TenantId, channel: str, message: Any) -> None:
    """Publish a message to a channel."""
    await scene.api.publish({"tenantId": tenant, "channel": channel}, message)


async def test_followers_of_a_channel_receive_its_messages_once(scene: Scene) -> None:
    """A guest follows its name or a pattern; one that follows both has one frame, and one that has left has none."""
    tenant = scene.tenant()
    ann, bob, eve = [await follower(scene, tenant) for _ in range(3)]
    assert await ask(ann, "subscribe", "news/*", "news/uk") == {"news/*": None, "news/uk": None}
    assert await ask(bob, "subscribe", "news/uk") == {"news/uk": None}
    assert await ask(eve, "subscribe", "sport", "secret", "a//b") == {
        "sport": None,
        "secret": "NOT_GRANTED",
        "a//b": "INVALID_FIELD",
    }
    await publish(scene, tenant, "news/uk", {"text": "hello"})
    for guest in (ann, bob):
        frame = await guest.frame()
        assert (frame["type"], frame["channel"], frame["data"]) == ("message", "news/uk", {"text": "hello"})
    assert await ask(bob, "unsubscribe", "news/uk", "sport") == {"news/uk": None, "sport": "NOT_SUBSCRIBED"}
    await publish(scene, tenant, "news/uk", "again")
    assert (await ann.frame())["data"] == "again"
    await publish(scene, tenant, "news/fr", "bonjour")
    assert (await ann.frame())["channel"] == "news/fr"
    assert await scene.received([ann, bob, eve]) == [[], [], []]


async def test_each_message_of_a_batch_reaches_its_channel(scene: Scene) -> None:
    """An entry without a message is refused at its place."""
    tenant = scene.tenant()
    ann = await follower(scene, tenant)
    await ask(ann, "subscribe", "news/uk")
    audience = {"tenantId": tenant, "channel": "news/uk"}
    entries = [{"audience": audience, "message": 1}, {"audience": audience}, {"audience": audience, "message": 2}]
    answer = await scene.api.call("POST", "/broadcasts", document={"broadcasts": entries})
    assert [each["status"] for each in answer["results"]] == [202, 400, 202]
    ids = [each["body"]["broadcastId"] for each in answer["results"][::2]]
    frames = {frame["id"]: frame["data"] for frame in [await ann.frame(), await ann.frame()]}
    assert frames == dict(zip(ids, (1, 2), strict=True))


async def test_a_subscriber_with_the_acknowledgement_gets_the_next_message(scene: Scene) -> None:
    """Each time, however soon after it."""
    tenant = scene.tenant()
    ann = await follower(scene, tenant)
    for number in range(30):
        assert await ask(ann, "subscribe", "sport") == {"sport": None}
        await publish(scene, tenant, "sport", number)
        assert (await ann.frame())["data"] == number
        assert await ask(ann, "unsubscribe", "sport") == {"sport": None}


async def test_clients_publish_to_the_channels_of_their_tenant_alone(scene: Scene) -> None:
    """A guest with a grant reaches the followers; its repeated frame is one message, and another tenant's has none."""
    tenant, other = scene.tenant(), scene.tenant()
    ann, bob = await follower(scene, tenant, sport="sp"), await follower(scene, tenant)
    eve = await follower(scene, other)
    for guest in (bob, eve):
        assert await ask(guest, "subscribe", "sport") == {"sport": None}
    frame = {"action": "publish", "channel": "sport", "data": [1], "clientMessageId": "m1"}
    ann.send_json(frame)
    answer = await ann.frame()
    assert (answer["type"], answer["channel"], answer["clientMessageId"]) == ("published", "sport", "m1")
    ann.send_json(frame)
    assert await ann.frame() == answer
    message = await bob.frame()
    assert (message["type"], message["id"], message["data"]) == ("message", answer["id"], [1])
    bob.send_json(frame)
    assert (await bob.frame())["error"]["code"] == "NOT_GRANTED"
    assert await scene.received([ann, bob, eve]) == [[], [], []]


@pytest.mark.parametrize("ends", ["leave", "session"])
async def test_subscriptions_end_with_their_connection(scene: Scene, ends: str) -> None:
    """However it ends; the members are counted."""
    tenant = scene.tenant()
    session = await scene.session(tenant, grants=GRANTS)
    ann = await scene.connect(session)
    await ask(ann, "subscribe", "sport", "news/*")
    deployment = scene.system.deployment
    subscriber = SubscriberKey(tenant, ids.connection_id(await ann.connection_id()))
    rows = deployment.subscriptions.of(subscriber)
    assert [row.pattern for row in rows] == ["news/*", "sport"]
    audiences = [ids.channel_key(tenant, row.pattern) for row in rows]

    def counts() -> list[int]:
        return [sum(row.count for row in deployment.audiences.of(audience)) for audience in audiences]

    await eventually(counts, lambda found: found == [1, 1])
    if ends == "leave":
        ann.leave()
    else:
        query = {"tenantId": tenant, "sessionId": session.session}
        assert await scene.api.call("DELETE", "/session", query=query) == {}
    await eventually(counts, lambda found: found == [0, 0])
