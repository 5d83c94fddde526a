"""`POST /broadcasts`: each broadcast is answered by itself."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from functions.broadcast.publish.batch import LARGEST_BODY, MOST_BROADCASTS, BroadcastAnswer, PublishBatch
from functions.broadcast.publish.http import answer_of, respond_to_batch
from loudhailer.deadline import Deadline
from loudhailer.errors import TransientError
from tests.support.executors import AtOnce
from tests.unit.broadcast.test_publish import ACCEPTED, REQUEST, PublishFixture, http_event


class Batch:
    """The batch over a fake that accepts each broadcast and notes its `broadcastId`."""

    def __init__(self) -> None:
        self.begun: list[Any] = []
        self.seconds = 100.0
        self.publish = PublishBatch(self.accept, AtOnce())

    def accept(self, request: dict[str, Any]) -> BroadcastAnswer:
        """Accept it, unless its message says that it fails."""
        self.begun.append(request.get("broadcastId"))
        if request["message"] == '"fail"':
            raise TransientError("PutItem failed")
        return BroadcastAnswer(202, {"broadcastId": request.get("broadcastId")})

    def post(self, body: str) -> tuple[int, Any]:
        """Return the status and the body of the answer."""
        deadline = Deadline(self.seconds, clock=lambda: 0.0)
        answer = respond_to_batch(self.publish, http_event(body), deadline)
        return answer["statusCode"], json.loads(answer["body"])


def broadcast(number: int, message: object = "hello", channel: str | None = None) -> dict[str, Any]:
    """A broadcast with an id of this number."""
    audience: dict[str, Any] = {"tenantId": "acme"} if channel is None else {"tenantId": "acme", "channel": channel}
    return {"broadcastId": f"b{number}", "audience": audience, "message": message}


def body_of(*broadcasts: object) -> str:
    """The body of a batch."""
    return json.dumps({"broadcasts": broadcasts})


def test_each_broadcast_is_answered_as_if_it_were_alone() -> None:
    """A bad entry is answered at its place, and the others are sent."""
    topic = PublishFixture()
    batch = PublishBatch(lambda request: answer_of(topic.publish, request), AtOnce())
    refused = ["hello", {**REQUEST, "broadcastId": "a b"}, {**REQUEST, "audience": {"tenantId": "nobody"}}]
    entries = [REQUEST, *refused, REQUEST]
    answer = respond_to_batch(batch, http_event(body_of(*entries)), Deadline.after(10))
    assert answer["statusCode"] == 200
    results = json.loads(answer["body"])["results"]
    assert [each["status"] for each in results] == [202, 400, 400, 404, 202]
    assert results[0]["body"] == results[4]["body"] == ACCEPTED
    assert [each["body"]["error"]["field"] for each in results[1:4]] == ["body", "broadcastId", "audience.tenantId"]
    assert len(topic.announced) == 1


@pytest.mark.parametrize("text", ["18446744073709551616", "1.10", "1E2", '{"b" :"\\u00e9","a":[1 ,2]}'])
def test_messages_are_sent_as_they_were_written(text: str) -> None:
    """Numbers keep their digits, and texts their spelling."""
    topic = PublishFixture()
    batch = PublishBatch(lambda request: answer_of(topic.publish, request), AtOnce())
    entry = f'{{ "audience":{{"all":true}}, "message" : {text} }}'
    body = f'{{ "broadcasts" : [ {entry} ,{entry}] }}'
    assert respond_to_batch(batch, http_event(body), Deadline.after(10))["statusCode"] == 200
    assert len(topic.announced) == 2
    assert all(one.payload.open().decode().endswith(f',"data":{text}}}') for one in topic.announced)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "body"),
        ("[]", "body"),
        ('{"broadcasts":["\ud800"]}', "body"),
        ("{}", "broadcasts"),
        ('{"broadcasts":{}}', "broadcasts"),
        ('{"broadcasts":[]}', "broadcasts"),
        (body_of(*map(broadcast, range(MOST_BROADCASTS + 1))), "broadcasts"),
        ('{"broadcasts":[1],"audience":{}}', "audience"),
    ],
)
def test_a_bad_batch_is_refused_as_a_whole(body: str, field: str) -> None:
    """The field is named, and nothing is sent."""
    batch = Batch()
    status, answer = batch.post(body)
    assert (status, answer["error"]["field"]) == (400, field)
    assert batch.begun == []


def test_a_batch_may_have_a_hundred_broadcasts_and_four_megabytes() -> None:
    """One byte more is refused with 413."""
    batch = Batch()
    hundred = body_of(*map(broadcast, range(MOST_BROADCASTS)))
    largest = hundred[:-1] + " " * (LARGEST_BODY - len(hundred)) + "}"
    status, answer = batch.post(largest)
    assert (status, [each["body"]["broadcastId"] for each in answer["results"]]) == (200, [f"b{n}" for n in range(100)])
    status, answer = batch.post(largest + " ")
    assert (status, answer["error"]["field"]) == (413, "body")
    assert len(batch.begun) == MOST_BROADCASTS


def test_a_broadcast_that_fails_stops_no_other() -> None:
    """It is answered 503, and the client sends it again."""
    status, answer = Batch().post(body_of(broadcast(1), broadcast(2, "fail"), broadcast(3)))
    assert (status, [each["status"] for each in answer["results"]]) == (200, [202, 503, 202])
    assert "send it again with the same broadcastId" in answer["results"][1]["body"]["error"]["message"]


def test_a_broadcast_for_which_no_time_is_left_is_not_begun() -> None:
    """The invocation would end in the middle of it."""
    batch = Batch()
    batch.seconds = 1.0
    _, answer = batch.post(body_of(broadcast(1), broadcast(2)))
    assert [each["status"] for each in answer["results"]] == [503, 503]
    assert batch.begun == []


def test_broadcasts_to_one_channel_are_accepted_in_their_order_and_others_side_by_side() -> None:
    """Two channels wait for each other here: that ends only if they are accepted side by side."""
    begun: dict[str, list[str]] = {"a": [], "b": []}
    both = Barrier(2, timeout=10)

    def accept(request: dict[str, Any]) -> BroadcastAnswer:
        channel = request["audience"]["channel"]
        both.wait()
        begun[channel].append(request["broadcastId"])
        return BroadcastAnswer(202, {})

    with ThreadPoolExecutor(4) as executor:
        batch = PublishBatch(accept, executor)
        entries = [broadcast(number, channel="ab"[number % 2]) for number in range(10)]
        answer = respond_to_batch(batch, http_event(body_of(*entries)), Deadline.after(10))
    assert [each["status"] for each in json.loads(answer["body"])["results"]] == [202] * 10
    assert begun == {"a": [f"b{n}" for n in range(0, 10, 2)], "b": [f"b{n}" for n in range(1, 10, 2)]}
