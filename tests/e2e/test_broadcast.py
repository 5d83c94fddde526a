"""One message, from `POST /broadcast` to the sockets it is for."""

import asyncio
import json
import time
import uuid
from typing import Any

import aiohttp
import pytest

from tests.e2e.scene import EVERYONE, Scene, text_of

MAX_MESSAGE_BYTES = 128 * 1024
ACCOUNT = "111111111111"


async def post(scene: Scene, body: bytes) -> tuple[int, Any]:
    """The status and the JSON body that `POST /broadcast` answers."""
    url = f"{scene.system.deployment.http_url}/broadcast"
    async with aiohttp.ClientSession() as http, http.post(url, data=body) as response:
        assert response.content_type == "application/json"
        return response.status, await response.json()


def summaries(scene: Scene) -> int:
    """Return how many broadcasts are recorded."""
    pages = scene.system.dynamodb.get_paginator("scan").paginate(
        TableName=scene.system.table("broadcasts"),
        FilterExpression="part = :summary",
        ExpressionAttributeValues={":summary": {"S": "summary"}},
        Select="COUNT",
        ConsistentRead=True,
    )
    return sum(page["Count"] for page in pages)


def framed(broadcast_id: str, message: Any) -> bytes:
    """The frame of a broadcast; the time in it is any of today's, as they all have 13 digits."""
    return text_of({"type": "broadcast", "id": broadcast_id, "publishedAt": 1_700_000_000_000, "data": message})


def filled(broadcast_id: str, content: str, size: int) -> str:
    """The content, again and again, so that the frame is as large as it can be without being larger than `size`."""
    room = size - len(framed(broadcast_id, ""))
    return content * (room // (len(framed(broadcast_id, content)) - len(framed(broadcast_id, ""))))


@pytest.mark.image_smoke
async def test_a_broadcast_reaches_exactly_its_audience(scene: Scene) -> None:
    """Every socket that it is for gets one frame of it, which says when it was published; no other gets any."""
    red, blue = scene.tenant(), scene.tenant()
    first, second, third = [await scene.session(red, player) for player in ("ann", "ann", "bob")]
    elsewhere = await scene.session(blue, "ann")
    guests = {
        name: await scene.connect(session)
        for name, session in [("a", first), ("b", first), ("c", second), ("d", third), ("e", elsewhere)]
    }
    audiences: list[tuple[dict[str, Any], str]] = [
        (EVERYONE, "abcde"),
        ({"tenantId": red}, "abcd"),
        ({"tenantId": red, "sessionId": first.session}, "ab"),
        ({"tenantId": red, "playerId": "ann"}, "abc"),
    ]
    expected: dict[str, list[Any]] = {name: [] for name in guests}
    before = time.time() * 1000
    for audience, recipients in audiences:
        message = {"text": "hello", "to": audience}
        broadcast_id = await scene.broadcast(audience, message)
        published_at = (await scene.report(broadcast_id))["publishedAt"]
        assert before - 1 <= published_at <= time.time() * 1000
        for name in recipients:
            frame = {"type": "broadcast", "id": broadcast_id, "publishedAt": published_at, "data": message}
            expected[name].append(frame)
    assert dict(zip(guests, await scene.received(list(guests.values())), strict=True)) == expected


@pytest.mark.image_smoke
async def test_a_report_adds_up_at_every_read(scene: Scene) -> None:
    """While the posts are on their way they are in flight; in the end all are delivered, by the account that posted."""
    tenant = scene.tenant()
    await scene.guests(await scene.session(tenant), 30)
    await scene.counted(tenant, 30)
    await scene.faults(latency_ms=1_000)
    reports = await scene.reports(await scene.broadcast({"tenantId": tenant}))
    last = reports[-1]
    assert {report["status"] for report in reports[:-1]} <= {"accepted", "delivering"}
    assert 30 in {report["inFlight"] for report in reports}
    assert last["expected"] == last["dispatched"] == last["delivered"] == 30
    assert last["byAccount"] == {ACCOUNT: 30}
    assert last["publishedAt"] <= last["finishedAt"]
    assert all(report["finishedAt"] is None for report in reports[:-1])


async def test_a_broadcast_without_recipients_finishes(scene: Scene) -> None:
    """A tenant without a connection is no mistake."""
    report = await scene.report(await scene.broadcast({"tenantId": scene.tenant()}))
    assert (report["dispatched"], report["byAccount"]) == (0, {})


async def test_the_report_of_an_unknown_broadcast_is_not_found(scene: Scene) -> None:
    """An id that was never published has no report."""
    body = await scene.api.call("GET", "/broadcast/never-published", success=404)
    assert body["error"]["field"] == "broadcastId"


async def test_the_same_id_with_the_same_content_is_one_broadcast(scene: Scene) -> None:
    """A publisher without an answer repeats its request, and no client gets the broadcast twice."""
    guest = await scene.guest(tenant := scene.tenant())
    request = {"audience": {"tenantId": tenant}, "message": {"a": 1, "b": 2}, "broadcastId": uuid.uuid4().hex}
    status, accepted = await post(scene, json.dumps(request).encode())
    assert (status, accepted["broadcastId"]) == (202, request["broadcastId"])
    first = await scene.report(str(request["broadcastId"]))
    assert await post(scene, json.dumps(request).encode()) == (202, accepted)
    (received,) = await scene.received([guest])
    assert [frame["id"] for frame in received] == [request["broadcastId"]]
    assert await scene.report(str(request["broadcastId"])) == first


async def test_the_same_id_with_other_content_is_a_conflict(scene: Scene) -> None:
    """An id names one broadcast, whose content cannot be changed."""
    guest = await scene.guest(tenant := scene.tenant())
    request = {"audience": {"tenantId": tenant}, "message": {"a": 1, "b": 2}, "broadcastId": uuid.uuid4().hex}
    await post(scene, json.dumps(request).encode())
    await scene.report(str(request["broadcastId"]))
    for change in ({"message": "other"}, {"message": {"b": 2, "a": 1}}, {"audience": EVERYONE}):
        status, body = await post(scene, json.dumps(request | change).encode())
        assert (status, body["error"]["field"]) == (409, "broadcastId"), change
    (received,) = await scene.received([guest])
    assert [frame["data"] for frame in received] == [{"a": 1, "b": 2}]


BAD: list[tuple[bytes, int, str]] = [
    (b"", 400, "body"),
    (b"hello", 400, "body"),
    (b'["hello"]', 400, "body"),
    (b'{"audience": {"all": true}, "message": "cut o', 400, "body"),
    (b'{"audience": {"all": true}, "message": "\xff"}', 400, "body"),
    (b'{"audience": {"all": true}, "message": "\\ud800"}', 400, "body"),
    (b'{"audience": {"all": true}, "message": NaN}', 400, "body"),
    (b'{"audience": {"all": true}}', 400, "message"),
    (b'{"message": "hello"}', 400, "audience"),
    (b'{"message": "hello", "audience": null}', 400, "audience"),
    (b'{"message": "hello", "audience": "all"}', 400, "audience"),
    (b'{"message": "hello", "audience": {}}', 400, "audience"),
    (b'{"message": "hello", "audience": {"everyone": true}}', 400, "audience"),
    (b'{"message": "hello", "audience": {"all": false}}', 400, "audience.all"),
    (b'{"message": "hello", "audience": {"all": true, "tenantId": "bronze"}}', 400, "audience"),
    (b'{"message": "hello", "audience": {"playerId": "ann"}}', 400, "audience"),
    (b'{"message": "hello", "audience": {"tenantId": "a#b"}}', 400, "audience.tenantId"),
    (b'{"message": "hello", "audience": {"tenantId": "nobody"}}', 404, "audience.tenantId"),
    (b'{"message": "hello", "audience": {"tenantId": "bronze", "sessionId": ""}}', 400, "audience.sessionId"),
    (b'{"message": "hello", "audience": {"tenantId": "bronze", "playerId": "a b"}}', 400, "audience.playerId"),
    (b'{"message": "hello", "audience": {"tenantId": "bronze", "roomKey": 5}}', 400, "audience.roomKey"),
    (b'{"message": "hello", "audience": {"all": true}, "broadcastId": "a/b"}', 400, "broadcastId"),
    (b'{"message": "hello", "audience": {"all": true}, "urgent": true}', 400, "urgent"),
    (b'{"message": "' + b"x" * MAX_MESSAGE_BYTES + b'", "audience": {"all": true}}', 413, "message"),
]


@pytest.mark.image_smoke
async def test_a_bad_broadcast_is_refused_and_nothing_is_sent(scene: Scene) -> None:
    """Each answer names the field that is at fault; no frame goes out and nothing is recorded."""
    guest = await scene.guest(scene.tenant())
    before = summaries(scene)
    answers = await asyncio.gather(*(post(scene, body) for body, _, _ in BAD))
    expected = [(status, field) for _, status, field in BAD]
    assert [(status, answer["error"]["field"]) for status, answer in answers] == expected
    assert all(answer["error"]["message"] for _, answer in answers)
    assert summaries(scene) == before
    assert await scene.received([guest]) == [[]]


async def test_a_frame_of_128_kib_is_delivered_and_one_byte_more_is_refused(scene: Scene) -> None:
    """The limit is API Gateway's, to the byte."""
    guest = await scene.guest(tenant := scene.tenant())
    broadcast_id = uuid.uuid4().hex
    message = filled(broadcast_id, "x", MAX_MESSAGE_BYTES)
    request = {"audience": {"tenantId": tenant}, "broadcastId": broadcast_id}
    status, body = await post(scene, text_of(request | {"message": f"{message}x"}))
    assert (status, body["error"]["field"]) == (413, "message")
    status, _ = await post(scene, text_of(request | {"message": message}))
    assert status == 202
    frame = await guest.receive(60)
    assert len(frame) == MAX_MESSAGE_BYTES
    assert json.loads(frame)["data"] == message


async def test_128_kib_of_any_characters_arrive_as_they_were_sent(scene: Scene) -> None:
    """The socket gets the published content, also characters that are special in JSON, SQS or a URL."""
    guest = await scene.guest(tenant := scene.tenant())
    contents = {
        "quotes": '"',
        "backslashes": "\\",
        "controls": "\x01",
        "edges": "\x00\x1f\x7f\x80",
        "emoji": "\N{GRINNING FACE}",
        "U+FFFF": "\uffff",
        "markup": "\u2028</script>&+%00 \r\n\t",
        "marks": "\ufeff\ufffe",
    }
    sent: dict[str, str] = {}
    for name, content in contents.items():
        broadcast_id = uuid.uuid4().hex
        sent[broadcast_id] = filled(broadcast_id, content, MAX_MESSAGE_BYTES)
        request = {"audience": {"tenantId": tenant}, "message": sent[broadcast_id], "broadcastId": broadcast_id}
        assert (await post(scene, json.dumps(request, ensure_ascii=False).encode()))[0] == 202, name
    frames = [await guest.frame() for _ in contents]
    assert {frame["id"]: frame["data"] for frame in frames} == sent
    assert [(await scene.report(broadcast_id))["delivered"] for broadcast_id in sent] == [1] * len(sent)


async def test_any_json_is_a_message(scene: Scene) -> None:
    """Empty and false values are messages too."""
    guest = await scene.guest(tenant := scene.tenant())
    messages: list[Any] = [None, 0, "", [], {}, {"deep": [{"er": [None, 1.5, True, "ü"]}]}]
    for message in messages:
        broadcast_id = await scene.broadcast({"tenantId": tenant}, message)
        frame = await guest.frame()
        assert (frame["id"], frame["data"]) == (broadcast_id, message)


@pytest.mark.image_smoke
async def test_a_direct_invocation_reaches_everyone(scene: Scene) -> None:
    """A caller that may invoke the function needs no HTTP API, and no audience."""
    guests = [await scene.guest(scene.tenant()), await scene.guest(scene.tenant())]
    answer = scene.system.functions.invoke(
        FunctionName=scene.system.deployment.functions["publish"],
        Qualifier="live",
        Payload=b'{"message": "to everyone"}',
    )
    broadcast_id = json.load(answer["Payload"])["broadcastId"]
    frames = [await guest.frame() for guest in guests]
    assert [(frame["id"], frame["data"]) for frame in frames] == [(broadcast_id, "to everyone")] * 2
