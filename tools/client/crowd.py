"""Thousands of WebSockets in one process, which count what they receive and how long it took.

A member that gets the frame `move` opens its next connection before it closes this one, as the page does.
"""

import asyncio
import json
import resource
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field

from picows import WSMsgType

from tools.client.http import ApiError
from tools.client.socket import Departure, HandshakeRefusedError, Refusal, Socket, open_socket
from tools.client.stamps import Stamp, StampReader

_PING, _PONG = b'{"action":"ping"}', b'{"action":"pong"}'
THROTTLED = b"Too Many Requests"
"""In the answer to a frame over a limit."""

_SPARE_DESCRIPTORS = 256
_POLL_SECONDS = 0.02

_MOVE = b'"move"'
_LONGEST_OVERLAP_SECONDS = 7_200
_RETRY_SECONDS = 1.0


type UrlAgain = Callable[[int], Awaitable[str]]


@dataclass
class Reception:
    """Arrivals of one broadcast.

    Attributes:
        counts: how many frames each member has received on one connection, by the member's number; those without any
            are not in it.
        latencies: milliseconds from publishing to each member's first frame, by the clock of this machine.
    """

    counts: dict[int, int] = field(default_factory=dict)
    latencies: list[float] = field(default_factory=list)
    _sockets: dict[int, "Member"] = field(default_factory=dict)

    def record(self, member: "Member", latency: float) -> None:
        """One frame has arrived; one that the member's other connection has had is dropped, as clients do."""
        seen = self.counts.get(member.number, 0)
        if not seen:
            self.latencies.append(latency)
            self._sockets[member.number] = member
        elif self._sockets[member.number] is not member:
            return
        self.counts[member.number] = seen + 1

    @property
    def duplicates(self) -> int:
        """Frames beyond each member's first."""
        return sum(self.counts.values()) - len(self.counts)

    def missing(self, members: Collection[int]) -> set[int]:
        """Return the members that have received nothing."""
        return set(members).difference(self.counts)

    def strays(self, members: Collection[int]) -> set[int]:
        """Return the clients that have received it without being members."""
        return set(self.counts).difference(members)


class Member(Socket):
    """One of the crowd; `answer` is the last message that was no broadcast."""

    def __init__(self, crowd: "Crowd", number: int) -> None:
        super().__init__()
        self.answer = b""
        self.number = number
        self._crowd = crowd

    def ask(self, frame: bytes) -> None:
        """Send a frame, whose answer is awaited."""
        self.answer = b""
        self.transport.send(WSMsgType.TEXT, frame)

    def on_message(self, payload: bytes) -> None:
        """Count the message."""
        self._crowd.count(self, payload)

    def on_closed(self) -> None:
        """Count the departure."""
        self._crowd.open -= 1


class Crowd:
    """A growing crowd; members keep their numbers, in the order of the URLs they came by.

    Attributes:
        members: the last connection of each one that ever connected, by number.
        open: how many connections are open now.
        others: messages that were no broadcasts.
    """

    def __init__(self, url_again: UrlAgain | None = None) -> None:
        """Make an empty crowd.

        `url_again` asks for a member's session again, by the member's number, and returns the URL to connect to. It may
        raise ApiError. Without it nobody moves.
        """
        self.members: dict[int, Member] = {}
        self._url_again = url_again
        self._moves: dict[int, asyncio.Task[None]] = {}
        self._former: list[Member] = []
        self.open = 0
        self.others = 0
        self._invited = 0
        self._reader = StampReader()
        self._receptions: dict[str, Reception] = {}

    async def connect(
        self, urls: Sequence[str], concurrency: int = 50, progressed: Callable[[int], None] = lambda _: None
    ) -> list[Member | Refusal]:
        """Connect to each URL, at most `concurrency` at a time; members or refusals in the same order."""
        _allow_descriptors(len(urls) + self.open)
        gate = asyncio.Semaphore(concurrency)
        first = self._invited
        self._invited += len(urls)
        answered = 0

        async def one(number: int, url: str) -> Member | Refusal:
            nonlocal answered
            async with gate:
                try:
                    member = await open_socket(lambda: Member(self, number), url)
                except HandshakeRefusedError as error:
                    return error.refusal
                finally:
                    answered += 1
                    progressed(answered)
                self.members[number] = member
                self.open += 1
                return member

        return await asyncio.gather(*(one(first + index, url) for index, url in enumerate(urls)))

    def count(self, member: Member, payload: bytes) -> None:
        """A member has received a message."""
        stamp: Stamp | None = self._reader.stamp(payload)
        if stamp is None:
            self.others += 1
            member.answer = payload
            if self._url_again is not None and (overlap := _overlap(payload)) is not None:
                self._begin_to_move(member, overlap, self._url_again)
        else:
            self.reception(stamp.broadcast_id).record(member, time.time() * 1000 - stamp.published_at)

    @property
    def moved(self) -> frozenset[int]:
        """The numbers of the members that have moved, or are about to: for a while each has two connections."""
        return frozenset(self._moves) | {former.number for former in self._former}

    def reception(self, broadcast_id: str) -> Reception:
        """Return what has arrived of a broadcast so far."""
        return self._receptions.setdefault(broadcast_id, Reception())

    async def arrived(
        self,
        broadcast_id: str,
        members: Collection[int],
        timeout: float,  # noqa: ASYNC109 - running out of time is an answer here, not an error
        progressed: Callable[[int], None] = lambda _: None,
    ) -> bool:
        """Wait until each of the members has the broadcast; whether that came to pass in time."""
        reception = self.reception(broadcast_id)
        deadline = time.monotonic() + timeout
        while missing := reception.missing(members):
            progressed(len(members) - len(missing))
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        progressed(len(members))
        return True

    async def pongs(self, members: Collection[Member], timeout: float) -> bool:  # noqa: ASYNC109 - as above
        """Send a ping from each of the members, again while it is throttled; whether each got its pong in time."""
        for member in members:
            member.ask(_PING)
        deadline = time.monotonic() + timeout
        while waiting := [member for member in members if member.answer != _PONG]:
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
            for member in waiting:
                if THROTTLED in member.answer:
                    member.ask(_PING)
        return True

    async def answered(
        self,
        member: Member,
        frame: bytes,
        answers: Collection[bytes],
        timeout: float,  # noqa: ASYNC109 - as above
    ) -> bool:
        """Send a frame; whether an answer came in time that has one of these texts in it."""
        member.ask(frame)
        deadline = time.monotonic() + timeout
        while not any(answer in member.answer for answer in answers):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(_POLL_SECONDS)
        return True

    def _begin_to_move(self, member: Member, overlap_seconds: float, url_again: UrlAgain) -> None:
        if member.number not in self._moves and self.members.get(member.number) is member:
            self._moves[member.number] = asyncio.create_task(self._move(member, overlap_seconds, url_again))

    async def _move(self, member: Member, overlap_seconds: float, url_again: UrlAgain) -> None:
        """Open the member's next connection, at a later attempt if need be, and close this one after the overlap."""
        try:
            while member.is_open:
                try:
                    url = await url_again(member.number)
                    following = await open_socket(lambda: Member(self, member.number), url)
                except (ApiError, HandshakeRefusedError):
                    await asyncio.sleep(_RETRY_SECONDS)
                    continue
                self.members[member.number] = following
                self.open += 1
                self._former.append(member)
                asyncio.get_running_loop().call_later(overlap_seconds, member.leave)
                return
        finally:
            del self._moves[member.number]

    async def leave(self, members: Iterable[Member], manner: Departure = Departure.CLOSE) -> None:
        """Close the members' sockets, those of before a move as well, and wait until they are closed here."""
        numbers = {member.number for member in members}
        moving = [task for number, task in self._moves.items() if number in numbers]
        for task in moving:
            task.cancel()
        await asyncio.gather(*moving, return_exceptions=True)
        sockets = [*(self.members[number] for number in numbers), *self._former]
        leaving = [member for member in sockets if member.number in numbers and member.is_open]
        for member in leaving:
            member.leave(manner)
        await asyncio.gather(*(member.transport.wait_disconnected() for member in leaving))


def _overlap(payload: bytes) -> float | None:
    """The overlap in seconds that the frame `move` asks for; None for any other frame."""
    if _MOVE not in payload:
        return None
    try:
        document = json.loads(payload)
    except ValueError:
        return None
    match document:
        case {"type": "move", "overlapSeconds": int() | float() as seconds}:
            return min(max(0.0, seconds), _LONGEST_OVERLAP_SECONDS)
    return None


def _allow_descriptors(sockets: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = sockets + _SPARE_DESCRIPTORS
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, hard), hard))
