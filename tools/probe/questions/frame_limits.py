"""Questions about frames: their order, their size, and frames that API Gateway makes itself."""

import json
from typing import Any

from tools.client.conversation import Client
from tools.probe.own_api import ANSWERED
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.site import Site, Visitor

_OK, _TOO_LARGE = 200, 413
_ROUNDS, _FRAMES = 3, 20


async def _frame_order(site: Site) -> Answer:
    """Send frames to the pool without waiting, and look in which order its queue tells them."""
    orders = []
    for _ in range(_ROUNDS):
        async with await Client.connect(await site.tenant.session_url()) as client:
            for number in range(_FRAMES):
                client.send_json({"action": "PooledSQS", "message": number})
            orders.append(await _received_numbers(site, client, _FRAMES))
    seen = {"orders": orders}
    if any(sorted(order) != list(range(_FRAMES)) for order in orders):
        return Answer(UNDECIDED, seen)
    return Answer("kept" if all(order == sorted(order) for order in orders) else "changed", seen)


async def _received_numbers(site: Site, client: Client, number: int) -> list[int]:
    """The numbers of the frames that come back, as many as are expected."""
    numbers: list[int] = []
    try:
        while len(numbers) < number:
            frame = await client.receive(site.pace.arrival_seconds)
            if frame:
                numbers.append(_number(json.loads(frame)))
    except TimeoutError:
        pass
    return numbers


def _number(envelope: Any) -> int:
    """The number in the frame that an envelope holds; -1 if it is another one."""
    match envelope:
        case {"message": {"message": int(number)}}:
            return number
    return -1


FRAME_ORDER = Question(
    name="frame-order",
    asks="Do frames that a client sends without waiting reach the queue behind a route in their order?",
    asked="3 times 20 numbered frames at once to `PooledSQS`. From the FIFO queue on, the order is the project's.",
    read="The numbers come back in order, or some of them have overtaken others.",
    assumes="changed",
    stand_in="kept",
    changes={
        "kept": "60 frames prove no promise: README keeps advising clients to wait or to number their messages.",
        "changed": "Nothing; in the stand-in, the fault `frame_delay_ms` lets frames overtake each other.",
    },
    needs=Need.TENANT,
    seconds=15,
    messages=_ROUNDS * _FRAMES * 2,
    ask=_frame_order,
)

_POSTS = 60


async def _post_order(site: Site) -> Answer:
    """Post numbers one after the other, each when the one before is answered."""
    async with await site.visitor() as visitor:
        statuses = [(await site.post(visitor.connection_id, str(number).encode())).status for number in range(_POSTS)]
        order = [int(await visitor.receive(site.pace.arrival_seconds)) for status in statuses if status == _OK]
    seen = {"statuses": sorted(set(statuses)), "order": order}
    if set(statuses) != {_OK}:
        return Answer(UNDECIDED, seen)
    return Answer("kept" if order == sorted(order) else "changed", seen)


POST_ORDER = Question(
    name="post-order",
    asks="Do posts to a connection arrive in their order if each is sent after the answer to the one before?",
    asked="60 numbered posts, one after the other.",
    read="The numbers arrive in order, or some of them have overtaken others.",
    assumes="kept",
    stand_in="kept",
    changes={
        "kept": "Nothing; 60 posts are no promise.",
        "changed": "`echo` and `relay_message` cannot promise an order; frames need a number that clients sort by.",
    },
    needs=Need.API,
    seconds=10,
    messages=_POSTS + 2,
    ask=_post_order,
)


async def _empty_frame(site: Site) -> Answer:
    """Send a frame to a route whose response is an empty text, and look at all that comes."""
    async with await Client.connect(await site.tenant.session_url()) as client:
        client.send_json({"action": "PooledSQS", "message": "hello"})
        frames = [await client.receive(site.pace.arrival_seconds)]
        try:
            while True:
                frames.append(await client.receive(1.0))
        except TimeoutError:
            pass
    lengths = [len(frame) for frame in frames]
    if not any(lengths):
        return Answer(UNDECIDED, {"lengths": lengths})
    return Answer("yes" if 0 in lengths else "no", {"lengths": lengths})


EMPTY_FRAME = Question(
    name="empty-frame",
    asks="Does a client get an empty frame if the template of a route's response makes an empty text?",
    asked="One frame to `PooledSQS`, whose response is empty if SQS has taken the frame.",
    read="One of the frames that come has no bytes, or none has.",
    assumes="yes",
    stand_in="no",
    changes={
        "yes": "Nothing: README tells clients to ignore empty frames. Each is charged as a message.",
        "no": "README need not tell clients to ignore empty frames, and they are charged a message less for a frame.",
    },
    needs=Need.TENANT,
    seconds=5,
    messages=4,
    ask=_empty_frame,
)


async def _mock_answer(site: Site) -> Answer:
    """Send a frame to a route whose integration is of type MOCK and whose response has a template."""
    async with await site.visitor() as visitor:
        visitor.send_json({"action": ANSWERED})
        try:
            answer = await visitor.receive(site.pace.arrival_seconds)
        except TimeoutError:
            return Answer("nothing", {})
        expected = {"mock": True, "connectionId": visitor.connection_id}
    seen = {"answer": answer.decode(errors="replace")}
    return Answer("the template's text" if _parsed(answer) == expected else "an error", seen)


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


MOCK_ANSWER = Question(
    name="mock-answer",
    asks="What does a client get from a route with a MOCK integration and a route response?",
    asked="One frame to such a route, whose response template holds the connection's id.",
    read="The text of the template, an error of API Gateway's, or nothing.",
    assumes="the template's text",
    stand_in="the template's text",
    changes={
        "the template's text": "Nothing: the route `ping` answers so.",
        "an error": "Pings go to `default_route` again, an invocation each: decision 0039 does not hold.",
        "nothing": "The route `ping` answers nothing. It counts as activity nevertheless, but clients wait for a pong.",
    },
    needs=Need.API,
    seconds=5,
    messages=4,
    ask=_mock_answer,
)

_LARGEST = 128 * 1024


async def _large_post(site: Site) -> Answer:
    """Post a message of 128 KB, and one byte more."""
    async with await site.visitor() as visitor:
        allowed = (await site.post(visitor.connection_id, b"x" * _LARGEST)).status
        arrived = await _length(site, visitor) if allowed == _OK else 0
        more = (await site.post(visitor.connection_id, b"x" * (_LARGEST + 1))).status
        seen = {"status": allowed, "bytesArrived": arrived, "statusOfOneByteMore": more, "open": visitor.is_open}
    if allowed == _TOO_LARGE:
        return Answer("refused", seen)
    if allowed != _OK:
        return Answer(UNDECIDED, seen)
    return Answer("whole" if arrived == _LARGEST else "not whole", seen)


async def _length(site: Site, visitor: Visitor) -> int:
    try:
        return len(await visitor.receive(site.pace.arrival_seconds))
    except TimeoutError:
        return 0


LARGE_POST = Question(
    name="large-post",
    asks="Does a post of 128 KB arrive whole, though a frame may have 32 KB?",
    asked="One post of 131,072 bytes, and one of a byte more.",
    read="The message that arrives has all bytes; the longer post is answered 413.",
    assumes="whole",
    stand_in="whole",
    changes={
        "whole": "Nothing.",
        "not whole": "`publish` must refuse messages of more than 32 KB.",
        "refused": "`publish` must refuse messages of more than 32 KB.",
    },
    needs=Need.API,
    seconds=5,
    messages=12,
    ask=_large_post,
)
