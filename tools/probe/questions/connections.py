"""Questions about a connection's life: its handshake, its idle time, its end."""

import asyncio
import time
from contextlib import AsyncExitStack
from urllib.parse import quote

from tools.client.conversation import Client
from tools.client.socket import HandshakeRefusedError
from tools.probe.own_api import OPEN
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.site import Site, Visitor

_OK, _GONE, _THROTTLED = 200, 410, 429
_POLL_SECONDS = 0.2
_LOOK_SECONDS = 0.02


async def _refused_connect(site: Site) -> Answer:
    """Connect twice in a session that may have one connection."""
    url = await site.tenant.session_url()
    async with await Client.connect(url):
        try:
            second = await Client.connect(url)
        except HandshakeRefusedError as error:
            status, body = error.refusal.status, error.refusal.reason
        else:
            await second.reset()
            return Answer(UNDECIDED, {"status": 101})
    seen = {"status": status, "body": body}
    if status != _THROTTLED:
        return Answer(UNDECIDED, seen)
    return Answer("yes" if "connectionsPerSession" in body else "no", seen)


REFUSED_CONNECT = Question(
    name="refused-connect",
    asks="Does a client whose `$connect` is refused get the body that the function answered?",
    asked="A second client in a session of one connection: `connect` answers 429 and names the limit in the body.",
    read="The body of the handshake's answer names the limit, or does not.",
    assumes="no",
    stand_in="no",
    changes={
        "no": "Nothing: the stand-in leaves the body out, too.",
        "yes": "The stand-in may pass the body on, and the page and README may tell a client which limit it met.",
    },
    needs=Need.TENANT,
    seconds=5,
    messages=0,
    ask=_refused_connect,
)

_CLOSED = 5


async def _disconnect_context(site: Site) -> Answer:
    """Close connections, and look whether their rows go though nobody posts to them."""
    tenant = site.tenant
    earlier = await _rows(site)
    async with AsyncExitStack() as clients:
        for _ in range(_CLOSED):
            await clients.enter_async_context(await Client.connect(await tenant.session_url()))
        before = await _rows(site) - earlier
    started = time.monotonic()
    remaining = before
    while remaining and time.monotonic() < started + site.pace.arrival_seconds:
        await asyncio.sleep(_POLL_SECONDS)
        remaining = await _rows(site) & before
    seen = {"closed": len(before), "rowsLeft": len(remaining), "seconds": round(time.monotonic() - started, 1)}
    if len(before) < _CLOSED:
        return Answer(UNDECIDED, seen)
    return Answer("yes" if not remaining else "no" if remaining == before else "not always", seen)


async def _rows(site: Site) -> set[str]:
    return set(await asyncio.to_thread(site.tenant.connections))


DISCONNECT_CONTEXT = Question(
    name="disconnect-context",
    asks="Does `$disconnect` come with the authorizer's context?",
    asked="5 clients close. The route sends the key of each row, which is in the context, to the queue `disconnect`.",
    read="The rows go within 30 seconds, though nobody posts to the connections: the key was in the context.",
    assumes="yes",
    stand_in="yes",
    changes={
        "yes": "Nothing.",
        "not always": "Some rows go by a 410 or after two hours, as they do where `$disconnect` is lost.",
        "no": "`disconnect` has to find the row by the connection's id: a table or an index by that id, and a read "
        "and a write more for each connection.",
    },
    needs=Need.TENANT,
    seconds=15,
    messages=0,
    ask=_disconnect_context,
)

_HANDSHAKES = 3


async def _young_connection(site: Site) -> Answer:
    """Post to connections whose handshake is going on, as soon as their rows are there."""
    seconds, statuses = [], []
    for _ in range(_HANDSHAKES):
        before = await _rows(site)
        connecting = asyncio.create_task(Client.connect(await site.tenant.session_url()))
        try:
            connection = await _new_row(site, before)
            refused, status = await _until_taken(site, connection)
        finally:
            async with await connecting:
                pass
        seconds.append(round(refused, 2))
        statuses.append(status)
    seen = {"secondsOf410": seconds, "lastStatuses": statuses}
    if any(status not in (_OK, _GONE) for status in statuses):
        return Answer(UNDECIDED, seen)
    return Answer("longer than 30 s" if _GONE in statuses else "at most 30 s", seen)


async def _new_row(site: Site, before: set[str]) -> str:
    """The connection that gets a row; TimeoutError if none does."""
    async with asyncio.timeout(site.pace.arrival_seconds):
        while True:
            if fresh := await _rows(site) - before:
                return fresh.pop()
            await asyncio.sleep(_LOOK_SECONDS)


async def _until_taken(site: Site, connection: str) -> tuple[float, int]:
    """Post until that is not answered 410 any more, for 30 seconds at most; how long it was, and the last status."""
    url = f"{site.callback_url}/@connections/{quote(connection, safe='')}"
    started = time.monotonic()
    refused = 0.0
    while (status := (await site.call("POST", url, b"{}")).status) == _GONE:
        refused = time.monotonic() - started
        if refused > site.pace.arrival_seconds:
            break
        await asyncio.sleep(1 / site.pace.posts_per_second)
    return refused, status


YOUNG_CONNECTION = Question(
    name="young-connection",
    asks="How long does API Gateway answer 410 for a connection that has a row already?",
    asked="3 clients connect. As soon as `connect` has put the row, posts to the connection, 25 a second, until one "
    "is taken.",
    read="The time between the first post and the first that is taken.",
    assumes="at most 30 s",
    stand_in="at most 30 s",
    changes={
        "at most 30 s": "Nothing; the seconds may shorten the time for which a 410 is not believed.",
        "longer than 30 s": "`YOUNG_SECONDS` has to be longer, or rows of connections that are there are deleted.",
    },
    needs=Need.TENANT,
    seconds=10,
    messages=200,
    ask=_young_connection,
)


async def _ping_frame(site: Site) -> Answer:
    """Let one client be silent and another one send ping frames alone, for longer than the idle time."""
    idle = site.pace.idle_seconds
    async with await site.visitor() as silent, await site.visitor() as pinging:
        active = await _last_active(site, pinging)
        for _ in range(5):
            await asyncio.sleep(idle / 4)
            if pinging.is_open:
                pinging.transport.send_ping(b"probe")
        await asyncio.sleep(idle / 8)
        seen = {
            "silentOpen": silent.is_open,
            "silentCloseCode": silent.close_code,
            "pingingOpen": pinging.is_open,
            "pingingCloseCode": pinging.close_code,
            "pingMovesLastActiveAt": pinging.is_open and await _last_active(site, pinging) != active,
        }
    if seen["silentOpen"]:
        return Answer(UNDECIDED, seen)
    return Answer("yes" if seen["pingingOpen"] else "no", seen)


async def _last_active(site: Site, visitor: Visitor) -> str:
    """GetConnection's answer, which has `lastActiveAt`."""
    return (await site.call("GET", site.connection_url(OPEN, visitor.connection_id))).body


PING_FRAME = Question(
    name="ping-frame",
    asks="Does a ping frame keep a connection from being closed as idle after 10 minutes?",
    asked="Two clients for 14 minutes: one is silent, the other one sends a ping frame every two and a half minutes.",
    read="The silent one must be closed. The other one is still open, or is closed as well.",
    assumes="no",
    stand_in="no",
    changes={
        "no": "Nothing.",
        "yes": "Clients that can send ping frames, which browsers cannot, need no `ping` action: nothing is charged.",
    },
    needs=Need.API,
    seconds=825,
    messages=10,
    is_long=True,
    ask=_ping_frame,
)
