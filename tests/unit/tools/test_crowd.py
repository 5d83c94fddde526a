"""Counts of a crowd, and its sockets' reactions to picows; no network."""

import json
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from picows import WSCloseCode, WSMsgType

from tests.support.waiting import eventually
from tools.client import crowd as crowd_module
from tools.client import socket as client_socket
from tools.client.conversation import Client
from tools.client.crowd import Crowd, Member, Reception
from tools.client.http import ApiError
from tools.client.socket import Departure, HandshakeRefusedError, Refusal, Socket, socket_url


@dataclass
class Frame:
    """A frame as picows hands it over."""

    payload: bytes
    msg_type: WSMsgType = WSMsgType.TEXT
    fin: bool = True

    def get_payload_as_bytes(self) -> bytes:
        """A copy of the payload."""
        return self.payload


@dataclass
class Transport:
    """A connection that writes down what is done to it."""

    deeds: list[Any] = field(default_factory=list)
    is_close_frame_sent: bool = False

    @property
    def underlying_transport(self) -> "Transport":
        """The transport below."""
        return self

    def get_extra_info(self, _name: str) -> "Transport":
        """The socket below."""
        return self

    def setsockopt(self, *arguments: object) -> None:
        """Part of a socket's interface."""
        self.deeds.append(arguments)

    def send_close(self, code: WSCloseCode) -> None:
        """Part of picows' interface."""
        self.is_close_frame_sent = True
        self.deeds.append(code)

    async def wait_disconnected(self) -> None:
        """Part of picows' interface."""

    def abort(self) -> None:
        """Part of asyncio's interface."""
        self.deeds.append("abort")

    def disconnect(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - picows' interface
        """Part of picows' interface."""
        self.deeds.append(("disconnect", graceful))


def opened[S: Socket](member: S) -> tuple[S, Any]:
    """The socket, on a transport of its own."""
    transport: Any = Transport()
    member.on_ws_connected(transport)
    return member, transport


def give(member: Socket, *frames: Frame) -> None:
    """Let frames arrive."""
    for frame in frames:
        handed: Any = frame
        member.on_ws_frame(member.transport, handed)


def broadcast(name: str, age_ms: int = 0) -> Frame:
    """A broadcast's frame, published some time ago."""
    content = {"type": "broadcast", "id": name, "publishedAt": int(time.time() * 1000) - age_ms, "data": 1}
    return Frame(json.dumps(content).encode())


def test_a_crowd_counts_frames_duplicates_strays_and_the_missing() -> None:
    """The demonstration's verdict rests on it."""
    crowd = Crowd()
    members = [opened(Member(crowd, number))[0] for number in range(4)]
    give(members[0], broadcast("b1"), broadcast("b1"))
    give(members[1], broadcast("b1"), broadcast("b2"))
    give(members[3], broadcast("b1"))
    reception = crowd.reception("b1")
    assert reception.counts == {0: 2, 1: 1, 3: 1}
    assert reception.duplicates == 1
    assert reception.missing({0, 1, 2}) == {2}
    assert reception.strays({0, 1, 2}) == {3}
    assert crowd.reception("b2").counts == {1: 1}


def test_latency_is_from_publishing_to_the_first_frame() -> None:
    """A duplicate does not count again."""
    crowd = Crowd()
    member, _ = opened(Member(crowd, 0))
    give(member, broadcast("b1", age_ms=500), broadcast("b1", age_ms=900))
    (latency,) = crowd.reception("b1").latencies
    assert 500 <= latency < 700


class MovingCrowd:
    """A crowd of one member, whose handshakes are answered by the test."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *refusals: Exception) -> None:
        self.refusals = list(refusals)
        self.asked: list[int] = []
        self.crowd = Crowd(self._url_again)
        self.before, self.transport = opened(Member(self.crowd, 0))
        self.crowd.members[0], self.crowd.open = self.before, 1
        monkeypatch.setattr(crowd_module, "open_socket", self._open)
        monkeypatch.setattr(crowd_module, "_RETRY_SECONDS", 0.0)

    async def _url_again(self, number: int) -> str:
        self.asked.append(number)
        if self.refusals and isinstance(self.refusals[0], ApiError):
            raise self.refusals.pop(0)
        return "ws://other/live"

    async def _open(self, make: Callable[[], Member], url: str) -> Member:
        assert url == "ws://other/live"
        if self.refusals:
            raise self.refusals.pop(0)
        return opened(make())[0]

    async def move(self, overlap: float) -> Member:
        """Have the member move; return its next connection."""
        give(self.before, Frame(json.dumps({"type": "move", "overlapSeconds": overlap}).encode()))
        await eventually(lambda: self.crowd.members[0] is not self.before)
        return self.crowd.members[0]


async def test_a_member_moves_and_keeps_its_former_connection_for_the_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broadcast that comes on both is counted once; two on one connection are a duplicate."""
    moving = MovingCrowd(monkeypatch)
    give(moving.before, broadcast("b1"))
    assert moving.crowd.moved == set()
    after = await moving.move(0.0)
    assert moving.crowd.moved == {0}
    give(after, broadcast("b1"), broadcast("b2"), broadcast("b2"))
    give(moving.before, broadcast("b2"))
    assert moving.crowd.reception("b1").counts == {0: 1}
    assert moving.crowd.reception("b2").counts == {0: 2}
    await eventually(lambda: WSCloseCode.OK in moving.transport.deeds)
    assert (moving.asked, after.is_open, moving.crowd.open) == ([0], True, 2)


async def test_a_member_that_is_refused_elsewhere_tries_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps its connection until then, and moves once, however often it is asked meanwhile."""
    moving = MovingCrowd(monkeypatch, ApiError(503, ""), HandshakeRefusedError(Refusal(429, "full")))
    give(moving.before, Frame(b'{"type": "move", "overlapSeconds": 9000}'))
    after = await moving.move(9_000.0)
    assert (after.is_open, len(moving.asked)) == (True, 3)


async def test_a_crowd_that_leaves_closes_former_connections_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A move that is under way is given up."""
    moving = MovingCrowd(monkeypatch)
    after = await moving.move(7_000.0)
    left: list[Member] = []
    monkeypatch.setattr(Member, "leave", lambda member, _manner: left.append(member))
    await moving.crowd.leave([after])
    assert left == [after, moving.before]


@pytest.mark.parametrize(
    "frame", [b'{"type": "move"}', b'"move"', b'{"type": "move", "overlapSeconds": "1"}', b'{"move"']
)
async def test_a_frame_of_another_shape_moves_no_member(monkeypatch: pytest.MonkeyPatch, frame: bytes) -> None:
    """A member of a room may send the word."""
    moving = MovingCrowd(monkeypatch)
    give(moving.before, Frame(frame))
    assert (moving.crowd._moves, moving.crowd.others) == ({}, 1)


async def test_no_member_moves_where_sessions_cannot_be_asked_for() -> None:
    """Most crowds of tests are on one cell."""
    crowd = Crowd()
    member, _ = opened(Member(crowd, 0))
    crowd.members[0] = member
    give(member, Frame(b'{"type": "move", "overlapSeconds": 1}'))
    assert crowd._moves == {}


def test_other_messages_are_counted_apart() -> None:
    """They belong to no broadcast."""
    crowd = Crowd()
    member, _ = opened(Member(crowd, 0))
    give(member, Frame(b'{"message": "hi"}'))
    assert crowd.others == 1


def test_a_message_in_fragments_is_put_together() -> None:
    """API Gateway cuts messages over 32 KB."""
    crowd = Crowd()
    member, _ = opened(Member(crowd, 0))
    payload = broadcast("b1").payload
    give(
        member,
        Frame(payload[:5], fin=False),
        Frame(b"", WSMsgType.PING),
        Frame(payload[5:9], WSMsgType.CONTINUATION, fin=False),
        Frame(payload[9:], WSMsgType.CONTINUATION),
    )
    assert crowd.reception("b1").counts == {0: 1}


def test_an_unknown_broadcast_has_no_arrivals() -> None:
    """Waiting may begin before the first frame."""
    assert Crowd().reception("b9") == Reception()


def test_the_servers_close_frame_is_answered_and_its_code_kept() -> None:
    """As the protocol asks for (RFC 6455, 5.5.1)."""
    member, transport = opened(Client())
    assert member.is_open
    give(member, Frame(struct.pack("!H", 1009), WSMsgType.CLOSE))
    member.on_ws_disconnected(transport)
    assert transport.deeds == [WSCloseCode.OK, ("disconnect", True)]
    assert member.close_code == 1009
    assert not member.is_open


def test_an_answer_to_our_own_close_frame_is_not_answered() -> None:
    """One close frame each way."""
    member, transport = opened(Client())
    transport.is_close_frame_sent = True
    give(member, Frame(struct.pack("!H", 1000), WSMsgType.CLOSE))
    assert transport.deeds == [("disconnect", True)]


@pytest.mark.parametrize(("frames", "code"), [([], 1006), ([Frame(b"", WSMsgType.CLOSE)], 1005)])
def test_a_missing_close_code_is_named_as_in_browsers(frames: list[Frame], code: int) -> None:
    """1006 without a close frame, 1005 for one without a code."""
    member, transport = opened(Client())
    give(member, *frames)
    member.on_ws_disconnected(transport)
    assert member.close_code == code


def test_a_reset_sends_no_close_frame() -> None:
    """Lingering for no time makes the kernel send RST."""
    member, transport = opened(Client())
    member.leave(Departure.RESET)
    assert transport.deeds == [(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)), "abort"]


def test_leaving_twice_has_no_further_effect() -> None:
    """A crowd may leave after half of it has left."""
    member, transport = opened(Client())
    member.on_ws_disconnected(transport)
    member.leave(Departure.RESET)
    assert transport.deeds == []


async def refuse(*_: object, **__: object) -> None:
    """A network that is not there."""
    raise OSError("no route")


async def test_a_refused_member_takes_a_number_and_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answers come in the order of the URLs, whatever became of each."""
    monkeypatch.setattr(client_socket, "ws_connect", refuse)
    seen: list[int] = []
    crowd = Crowd()
    answers = await crowd.connect(["ws://a", "ws://b"], progressed=seen.append)
    assert answers == [Refusal(0, "no route")] * 2
    assert seen == [1, 2]
    assert crowd.members == {}
    assert crowd.open == 0


def test_a_refusal_has_its_status_and_reason() -> None:
    """Status and reason."""
    assert str(HandshakeRefusedError(Refusal(429, "too many"))) == "429 too many"


def test_a_url_carries_only_the_given_parameters() -> None:
    """Absent ids must be absent, not empty: the authorizer tells them apart."""
    assert (
        socket_url("ws://h/live", tenantId="a", sessionId=None, playerId="p@x")
        == "ws://h/live?tenantId=a&playerId=p%40x"
    )
    assert socket_url("ws://h/live", tenantId=None) == "ws://h/live"
