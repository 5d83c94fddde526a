"""Benchmark 13: all members of a large room talk at once, while another tenant broadcasts."""

import asyncio
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import uvloop

from loudhailer.ids import TenantId
from tests.bench.local_stack import RunningStack, running_stack
from tests.bench.open_loop import Times
from tests.bench.processes import BenchmarkError
from tests.bench.results import ReportProgress, ResultTable, Section, at_most, number, times
from tests.bench.visitors import Talker, at_once, open_session, put_tenant
from tools.client.http import ApiError, HttpApi
from tools.client.socket import open_socket
from tools.demo.verdict import percentile

MEMBERS = 300
RATE = 6
AT_REST_SECONDS = 60.0
TIMES = 2.0

_METHOD = f"""\
{MEMBERS} members of a room say something in the same moment, each with a `clientMessageId`. A room of this size is
large: `send_message` acknowledges what it has accepted. The message goes the way of a broadcast, at the part of the
account's quota that is kept for rooms. So {MEMBERS**2:,} frames arrive. An answer that is no acknowledgement, such as
API Gateway's "Endpoint request timed out", counts as none. Everything shares this machine's cores.

A client of another tenant gets {RATE} broadcasts a second, each with a time at which it is due: for
{AT_REST_SECONDS:.0f} s while the room is silent, and from the moment in which it talks until its last frame has
arrived."""

_ROOM = "square"
_AT_ONCE = 24
_SETTLING_SECONDS = 2.0
_PATIENCE_SECONDS = 300.0
_POLL_SECONDS = 0.1


@dataclass(slots=True)
class _Talk:
    """Frames that the members of the room have got.

    Attributes:
        joined: number of clients that got an answer to their join.
        acknowledged: seconds until each sender's acknowledgement, by sender.
        refused: answers that are no acknowledgements.
        heard: how often each member has got each sender's message, by both.
        last_heard: the seconds until the last frame.
    """

    began: float = 0.0
    joined: int = 0
    acknowledged: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    heard: Counter[tuple[str, str]] = field(default_factory=Counter)
    last_heard: float = 0.0

    def is_over(self) -> bool:
        """Tell whether everyone has got each message, and every sender an answer."""
        return len(self.heard) == MEMBERS**2 and len(self.acknowledged) + len(self.refused) >= MEMBERS


class _Listener(Talker):
    """A client of another tenant; `awaited` has the broadcasts that have not come, by their text."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited: dict[str, asyncio.Future[float]] = {}

    def on_message(self, payload: bytes) -> None:
        """Note when the first copy of a broadcast comes."""
        if (arrival := self.awaited.pop(json.loads(payload).get("data"), None)) is not None and not arrival.done():
            arrival.set_result(time.monotonic())


@dataclass(slots=True)
class _Broadcasts:
    """Broadcasts to another tenant, and their times at rest and during the talk."""

    api: HttpApi
    tenant: TenantId
    listener: _Listener
    at_rest: Times = field(default_factory=Times)
    meanwhile: Times = field(default_factory=Times)

    async def send(self, times: Times, until: Callable[[], bool]) -> None:
        """Publish at the rate until it holds; returns when all have arrived, or are failures."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for turn in itertools.count():
                if until():
                    return
                due = began + turn / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                tasks.create_task(self._one(f"{began} {turn}", due, times))

    async def _one(self, text: str, due: float, times: Times) -> None:
        arrives = self.listener.awaited[text] = asyncio.get_running_loop().create_future()
        try:
            await self.api.publish({"tenantId": self.tenant}, text)
        except ApiError:
            times.failures += 1
        else:
            await times.add(arrives, due)


class _Member(Talker):
    def __init__(self, name: str, talk: _Talk) -> None:
        super().__init__()
        self.name = name
        self._talk = talk

    def on_message(self, payload: bytes) -> None:
        """Note a frame."""
        talk, now = self._talk, time.monotonic()
        match json.loads(payload):
            case {"action": "joinroom", "playerId": self.name}:
                talk.joined += 1
            case {"action": "joinroom"}:
                pass
            case {"action": "sendmessage", "content": str(sender)}:
                talk.heard[self.name, sender] += 1
                talk.last_heard = now - talk.began
            case {"status": _, "clientMessageId": self.name}:
                talk.acknowledged.setdefault(self.name, now - talk.began)
            case answer:
                talk.refused.append(str(answer))


def measure(progressed: ReportProgress) -> Section:
    """Bring a stack up, measure, take it down."""
    progressed(0, 3, "a local stack comes up; that takes two minutes")
    with running_stack() as running:
        talk, broadcasts = uvloop.run(_measure(running, lambda done, note: progressed(done, 3, note)))
    progressed(3, 3, "")
    return _section(talk, broadcasts)


async def _measure(running: RunningStack, say: Callable[[int, str], None]) -> tuple[_Talk, _Broadcasts]:
    tenant, other, talk = put_tenant(running, "guests"), put_tenant(running, "other"), _Talk()
    say(1, f"{MEMBERS} members join")

    async def join(name: str) -> _Member:
        member = await open_socket(lambda: _Member(name, talk), await open_session(api, tenant, name))
        already = talk.joined
        member.say(action="joinroom", roomKey=_ROOM, nickName="Guest")
        await _until(lambda: talk.joined > already)
        return member

    async with HttpApi(running.deployment.http_url) as api:
        members = await at_once(_AT_ONCE, (join(f"member-{number}") for number in range(MEMBERS)))
        if not await _until(lambda: talk.joined == MEMBERS):
            raise BenchmarkError(f"{talk.joined} of {MEMBERS} are in the room")
        broadcasts = _Broadcasts(api, other, await open_socket(_Listener, await open_session(api, other)))
        await asyncio.sleep(_SETTLING_SECONDS)
        say(2, "the room is silent")
        rests_until = time.monotonic() + AT_REST_SECONDS
        await broadcasts.send(broadcasts.at_rest, lambda: time.monotonic() >= rests_until)
        say(2, f"{MEMBERS} members talk")
        talk.began = time.monotonic()
        for member in members:
            member.say(action="sendmessage", roomKey=_ROOM, content=member.name, clientMessageId=member.name)
        heard = asyncio.create_task(_until(talk.is_over))
        await broadcasts.send(broadcasts.meanwhile, heard.done)
        await asyncio.sleep(_SETTLING_SECONDS)  # for frames that come twice
    for guest in (*members, broadcasts.listener):
        guest.leave()
    return talk, broadcasts


async def _until(holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


def _section(talk: _Talk, broadcasts: _Broadcasts) -> Section:
    seconds = list(talk.acknowledged.values())
    row = (
        f"{len(seconds)} of {MEMBERS}",
        *(number(percentile(seconds, share)) for share in (0.5, 0.99)),
        f"{len(talk.heard):,} of {MEMBERS**2:,}",
        number(talk.last_heard),
    )
    p99 = broadcasts.meanwhile.at(0.99) / broadcasts.at_rest.at(0.99)
    return Section(
        title="A room that talks at once",
        method=_METHOD,
        tables=[
            ResultTable("Seconds", ("acknowledged", "p50", "p99", "frames that arrived", "the last one after"), [row]),
            ResultTable(
                "Broadcasts of another tenant",
                ("room", "p50 ms", "p99 ms", "errors"),
                [
                    ("silent", *broadcasts.at_rest.columns()),
                    ("talks", *broadcasts.meanwhile.columns()),
                ],
            ),
        ],
        targets=[
            at_most("senders without an acknowledgement", MEMBERS - len(seconds), 0, number),
            at_most("senders that received another answer", len(talk.refused), 0, number),
            at_most("frames that are missing", MEMBERS**2 - len(talk.heard), 0, number),
            at_most("frames that came twice", talk.heard.total() - len(talk.heard), 0, number),
            at_most("p99 of another tenant's broadcast while the room talks, to a silent room", p99, TIMES, times),
        ],
    )
