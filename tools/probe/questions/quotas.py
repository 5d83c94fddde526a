"""Questions about rates, quotas and buffers."""

import asyncio
import json
import time
from collections import Counter

from tools.client.http import Sign
from tools.probe.own_api import GONE, NARROW, SILENT
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.site import Site, Visitor
from tools.probe.wire import Wire, request_bytes

_OK, _GONE, _THROTTLED = 200, 410, 429
_POLICY_VIOLATION = 1008

_FRAMES, _POSTS = 50, 100


async def _stage_throttle(site: Site) -> Answer:
    """Show that the stage throttles the frames of one client, and post to another one at the same rate."""
    async with await site.visitor(NARROW) as sender:
        refused = await _refused_frames(site, sender)
        close_code = sender.close_code
    async with await site.visitor(NARROW) as receiver:
        replies = await site.paced(_POSTS, lambda _: site.post(receiver.connection_id, b"{}", NARROW))
    statuses = Counter(reply.status for reply in replies)
    seen = {"frames": _FRAMES, "framesRefused": refused, "closeCode": close_code, "posts": _count(statuses)}
    throttled = refused >= _FRAMES / 5 or close_code == _POLICY_VIOLATION
    if not throttled or not set(statuses) <= {_OK, _THROTTLED}:
        return Answer(UNDECIDED, seen)
    return Answer("yes" if statuses[_THROTTLED] >= _POSTS / 5 else "no", seen)


async def _refused_frames(site: Site, visitor: Visitor) -> int:
    """Send frames faster than the stage's throttle; return the number that was answered with Too Many Requests."""
    await site.paced(_FRAMES, lambda _: _send(visitor, json.dumps({"action": SILENT})))
    refused = 0
    while (frame := await _next(visitor, 1.0)) is not None:
        refused += b"Too Many Requests" in frame
    return refused


async def _send(visitor: Visitor, text: str) -> None:
    if visitor.is_open:
        visitor.send(text)


async def _next(visitor: Visitor, seconds: float) -> bytes | None:
    try:
        return await visitor.receive(seconds)
    except TimeoutError:
        return None


STAGE_THROTTLE = Question(
    name="stage-throttle",
    asks="Does the throttle of a stage hold back posts to @connections?",
    asked="On a stage that admits one request a second: 50 frames of one client, then 100 posts to another one, 25 a "
    "second each.",
    read="The stage must refuse frames, or close the client with code 1008. It holds back posts if a fifth of them are "
    "answered 429.",
    assumes="no",
    stand_in="no",
    changes={
        "no": "Nothing.",
        "yes": "A broadcast gets a fifth of the quota, what the stage lets in. Leave the stage without a throttle, "
        "and give the routes their throttles one by one.",
    },
    needs=Need.API,
    seconds=8,
    messages=_FRAMES + _POSTS + 50,
    ask=_stage_throttle,
)

_IDS, _CALLERS_POSTS, _WIRES = 20, 50, 200


async def _callback_quota(site: Site) -> Answer:
    """Use the quota up in the name of the API's account, and post a little in the caller's meanwhile."""
    rate, caller = site.pace.flood_posts_per_second, site.caller
    if rate is None or caller is None:
        raise RuntimeError("the quota may not be used up, or there is no caller")
    gone = [await _gone_id(site) for _ in range(_IDS)]
    alone = await _statuses(site, caller, gone)
    started = time.monotonic()
    flood = asyncio.create_task(_flood(site, rate, gone))
    await asyncio.sleep(site.pace.flood_seconds / 4)
    beside = await _statuses(site, caller, gone)
    owner = await flood
    took = time.monotonic() - started
    seen = {
        "ownersPosts": _count(owner),
        "ownersPostsPerSecond": round(owner.total() / took),
        "callersPostsAlone": _count(alone),
        "callersPostsBesideOwners": _count(beside),
    }
    if owner[_THROTTLED] < owner.total() / 20 or set(alone) != {_GONE}:
        return Answer(UNDECIDED, seen)
    return Answer("the API's" if beside[_THROTTLED] else "the caller's", seen)


async def _gone_id(site: Site) -> str:
    async with await site.visitor() as visitor:
        return visitor.connection_id


async def _statuses(site: Site, sign: Sign, connections: list[str]) -> Counter[int]:
    replies = await site.paced(
        _CALLERS_POSTS, lambda place: site.post(connections[place % len(connections)], b"{}", sign=sign)
    )
    return Counter(reply.status for reply in replies)


async def _flood(site: Site, rate: float, connections: list[str]) -> Counter[int]:
    """Post at a rate for a while, over connections of its own, whatever is answered."""
    requests = [request_bytes("POST", site.connection_url("open", each), site.sign, b"{}") for each in connections]
    statuses: Counter[int] = Counter()
    started, number = time.monotonic(), int(rate * site.pace.flood_seconds)
    places = iter(range(number))

    async def work() -> None:
        async with await Wire.to(site.connection_url("open", connections[0])) as wire:
            for place in places:
                await asyncio.sleep(max(0.0, started + place / rate - time.monotonic()))
                statuses[await wire.status(requests[place % len(requests)])] += 1

    await asyncio.gather(*(work() for _ in range(min(_WIRES, number))))
    return statuses


CALLBACK_QUOTA = Question(
    name="callback-quota",
    asks="Which account's quota do posts use that are signed in a role which another account has assumed?",
    asked="The API's account posts above its quota for 4 seconds, to connections that are gone. Meanwhile the caller "
    "posts 50 times, 25 a second. All APIs of the account in that Region are throttled meanwhile.",
    read="The API's account must be answered 429. If the caller is, too, they share the quota of the API's account. "
    "If posts to connections that are gone did not count, nobody would be answered 429: then it is undecided.",
    assumes="the API's",
    stand_in="the API's",
    changes={
        "the API's": "Nothing: subscribers add Lambda capacity and a wall between accounts, and no posts a second.",
        "the caller's": "Each subscriber adds its own account's quota of posts: its lanes get a quota of their own, "
        "and a million recipients need fewer cells.",
    },
    needs=Need.QUOTA,
    seconds=15,
    messages=60_000,
    ask=_callback_quota,
)

_GONE_POSTS = 50


async def _gone_counted(site: Site) -> Answer:
    """Post to a connection that has closed, on a stage where little else happens, and read the stage's metric."""
    async with await site.visitor(GONE) as visitor:
        connection = visitor.connection_id
    replies = await site.paced(_GONE_POSTS, lambda _: site.post(connection, b"{}", GONE))
    statuses = Counter(reply.status for reply in replies)
    until = time.monotonic() + site.pace.metric_seconds
    counted, before = await _metric(site), None
    while time.monotonic() < until and (counted is None or counted != before):
        await asyncio.sleep(site.pace.metric_seconds / 10)
        counted, before = await _metric(site), counted
    seen = {"posts": _count(statuses), "MessageCount": counted}
    if counted is None or statuses[_GONE] < _GONE_POSTS - 5:
        return Answer(UNDECIDED, seen)
    return Answer("yes" if counted >= statuses[_GONE] else "no", seen)


async def _metric(site: Site) -> float | None:
    return await asyncio.to_thread(site.metric, GONE, "MessageCount")


GONE_COUNTED = Question(
    name="gone-counted",
    asks="Does API Gateway count a post that it answers with 410 as a message?",
    asked="50 posts, 25 a second, to a connection that has closed, on a stage of their own.",
    read="The metric MessageCount of that stage has the posts, or only the few frames that the client sent and got. "
    "The bill shows a day later whether they were charged: in Cost Explorer, by the usage type of messages.",
    assumes="yes",
    stand_in=UNDECIDED,
    changes={
        "yes": "Nothing.",
        "no": "Posts to connections that are gone are free: the check of a full session costs nothing, and "
        "`reconcile` may ask for rows that have no connection any more.",
    },
    needs=Need.API,
    seconds=900,
    messages=_GONE_POSTS + 10,
    is_long=True,
    ask=_gone_counted,
)

_CHUNK = b"x" * 32_000
_CHUNKS = 300


async def _slow_client(site: Site) -> Answer:
    """Post to a client that does not read, until API Gateway does not take it any more."""
    async with await site.visitor() as visitor:
        visitor.stop_reading()
        taken, status = 0, _OK
        started = time.monotonic()
        while taken < _CHUNKS and status == _OK:
            await asyncio.sleep(1 / site.pace.posts_per_second)
            status = (await site.post(visitor.connection_id, _CHUNK)).status
            taken += status == _OK
        seen = {"bytesTaken": taken * len(_CHUNK), "status": status, "seconds": round(time.monotonic() - started, 1)}
        visitor.resume_reading()
    verdicts = {_THROTTLED: "429", _GONE: "closed", _OK: "takes all"}
    return Answer(verdicts.get(status, UNDECIDED), seen)


SLOW_CLIENT = Question(
    name="slow-client",
    asks="What does API Gateway do with posts to a client that does not read, and after how many bytes?",
    asked="Up to 300 posts of 32,000 bytes, 25 a second, one after the other, to a client that has stopped reading.",
    read="The first answer that is not 200: 429, or 410 because the connection was closed. The bytes that were taken "
    "until then are in the buffers of API Gateway, the network and the client.",
    assumes="429",
    stand_in="429",
    changes={
        "429": "Nothing; the bytes correct `client_buffer_bytes` of the stand-in.",
        "closed": "Slow clients need no rule of our own: decision 0025 can go, and each 429 is the account's.",
        "takes all": "A slow client costs memory of AWS alone; the rule of decision 0025 is hardly ever needed.",
    },
    needs=Need.API,
    seconds=20,
    messages=_CHUNKS + 2,
    ask=_slow_client,
)


def _count(statuses: Counter[int]) -> dict[str, int]:
    return {str(status): number for status, number in sorted(statuses.items())}
