"""A connection's life, on a socket that is not one."""

import asyncio
from collections.abc import Callable

import pytest

from tests.support.client_frames import client_frame
from tests.unit.emulator.gateway.stand_ins import StandInClient
from tools.emulator.gateway.connection import Connections, ConnectionState
from tools.emulator.gateway.frames import Opcode, encode, encode_close
from tools.emulator.gateway.limits import Limits


class FakeLoop:
    """A loop that only notes scheduled calls."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """Note it."""
        self.timers.append((delay, callback))


@pytest.fixture(autouse=True)
def loop(monkeypatch: pytest.MonkeyPatch) -> FakeLoop:
    """A loop without sockets."""
    fake = FakeLoop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: fake)
    return fake


def test_a_connection_takes_messages_only_when_it_is_open() -> None:
    """Before `$connect` has answered, and after the end, a post must be a 410."""
    client = StandInClient()
    with pytest.raises(AssertionError, match="CONNECTING"):
        client.connection.deliver(b"x")
    assert client.opened().connection.deliver(b"x")
    client.connection.lose()
    with pytest.raises(AssertionError, match="CLOSED"):
        client.connection.deliver(b"x")


@pytest.mark.parametrize("step", [lambda c: c.open(None), lambda c: c.refuse()])
def test_a_closed_connection_stays_closed(step: Callable[..., None]) -> None:
    """No step leads back."""
    client = StandInClient()
    client.connection.refuse()
    with pytest.raises(AssertionError, match="CLOSED"):
        step(client.connection)


def test_a_refused_connection_reports_no_end() -> None:
    """`$disconnect` is for connections that were."""
    client = StandInClient()
    client.connection.refuse()
    client.connection.lose()
    assert client.ends == []


def test_a_lost_socket_ends_with_1006_and_once() -> None:
    """Losing it twice is losing it once."""
    client = StandInClient().opened()
    client.connection.lose()
    client.connection.lose()
    assert client.ends == [(1006, "Connection Closed Abnormally")]


def test_messages_go_out_as_text_frames() -> None:
    """Whatever the bytes."""
    client = StandInClient().opened()
    client.connection.deliver(b'{"a":1}')
    assert client.transport.written == encode(Opcode.TEXT, b'{"a":1}')


def test_a_client_that_does_not_read_gets_no_more_messages() -> None:
    """Once the buffer is full, and not before; an empty buffer takes any message."""
    client = StandInClient(Limits(client_buffer_bytes=100)).opened()
    assert client.connection.deliver(b"x" * 500)
    client.transport.waiting = 60
    assert client.connection.deliver(b"x" * 40)
    assert not client.connection.deliver(b"x" * 41)


def test_a_connection_with_a_full_buffer_takes_no_message() -> None:
    """However little waits for its client; a close frame goes out nevertheless."""
    client = StandInClient().opened()
    client.connection.full = True
    assert not client.connection.deliver(b"x")
    client.connection.close(1000, "")
    assert client.transport.written == encode_close(1000, "")


def test_a_clients_close_is_answered_and_reported() -> None:
    """With its own code; the socket follows."""
    client = StandInClient().opened()
    client.connection.receive(client_frame(8, b"\x03\xe9bye"))
    assert client.transport.written == encode_close(1001, "")
    assert client.transport.closed
    client.connection.lose()
    assert client.ends == [(1001, "bye")]


def test_a_client_that_closes_and_does_not_read_is_dropped(loop: FakeLoop) -> None:
    """The answer to its close frame may wait in a full buffer for ever; the socket does not."""
    client = StandInClient().opened()
    client.connection.receive(client_frame(8, b"\x03\xe9bye"))
    ((seconds, drop),) = loop.timers
    assert seconds == 5.0
    drop()
    assert client.transport.aborted


def test_nothing_is_read_after_a_close_frame() -> None:
    """A message behind it is no message."""
    client = StandInClient().opened()
    client.connection.receive(client_frame(1, b"before") + client_frame(8, b"") + client_frame(1, b"after"))
    client.connection.receive(client_frame(1, b"later"))
    assert client.texts == ["before"]


def test_a_ping_is_answered() -> None:
    """With its payload."""
    client = StandInClient().opened()
    client.connection.receive(client_frame(9, b"?"))
    assert client.transport.written == encode(Opcode.PONG, b"?")


def test_a_ping_does_not_count_as_a_message() -> None:
    """AWS does not say that it holds off the idle timeout, so it does not."""
    client = StandInClient().opened()
    client.connection.last_active_at = 5.0
    client.connection.receive(client_frame(9, b"?"))
    assert client.connection.last_active_at == 5.0
    client.connection.receive(client_frame(1, b"message"))
    assert client.connection.last_active_at > 5.0


def test_a_close_by_the_server_waits_a_bounded_time_for_the_client(loop: FakeLoop) -> None:
    """Five seconds; its messages are not taken any more."""
    client = StandInClient().opened()
    client.connection.close(1001, "Going away")
    client.connection.close(1000, "again")
    client.connection.receive(client_frame(1, b"too late"))
    assert client.connection.state is ConnectionState.CLOSING
    assert client.transport.written == encode_close(1001, "Going away")
    assert client.texts == []
    ((delay, give_up),) = loop.timers
    give_up()
    assert (delay, client.transport.aborted) == (5.0, True)


def test_the_clients_answer_to_a_close_ends_the_socket() -> None:
    """And does not change the reason."""
    client = StandInClient().opened()
    client.connection.close(1001, "Going away")
    client.connection.receive(client_frame(8, b"\x03\xe8"))
    assert client.transport.closed
    client.connection.lose()
    assert client.ends == [(1001, "Going away")]


def test_a_broken_frame_closes_and_the_rest_is_thrown_away() -> None:
    """The socket is read on, so that the close frame is not lost in a reset."""
    client = StandInClient().opened()
    client.connection.receive(client_frame(1, b"good") + client_frame(2, b"binary"))
    client.connection.receive(b"\xff" * 1_000)
    assert client.texts == ["good"]
    assert client.transport.written == encode_close(1003, "Unsupported data")
    assert not client.transport.aborted


def test_only_an_open_connection_of_the_same_api_is_found() -> None:
    """An id is worth nothing at another API or stage."""
    connections, client = Connections(), StandInClient()
    connection_id, key = client.connection.connection_id, client.connection.deployment.key
    connections.add(client.connection)
    assert connections.find_open(connection_id, key) is None
    client.opened()
    assert connections.find_open(connection_id, key) is client.connection
    assert connections.find_open(connection_id, ("abcdef123", "other")) is None
    client.connection.close(1000, "")
    assert connections.find_open(connection_id, key) is None
    connections.discard(client.connection)
    assert len(connections) == 0
