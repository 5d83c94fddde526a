"""The server's side of one TCP connection, on a socket that is not one."""

from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.unit.emulator.gateway.stand_ins import FakeTransport
from tools.emulator.gateway.authorization import UNAUTHORIZED, AuthorizationRefusal
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.handshake import Handshake
from tools.emulator.gateway.http1 import Request, response
from tools.emulator.gateway.management import Management, Requester
from tools.emulator.gateway.server import ClientProtocol, Parts
from tools.emulator.perimeter.pages import PageFilter

if TYPE_CHECKING:
    from tools.emulator.gateway.control import Control
    from tools.emulator.gateway.lifecycle import Lifecycle


HOST = "Host: 127.0.0.1:8000"


class FakeManagement:
    """Keeps the requests, and answers when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Request, Requester]] = []

    def handle(self, request: Request, client: Requester) -> None:
        """Keep it."""
        self.waiting.append((request, client))

    def answer(self, body: bytes) -> None:
        """Answer the oldest."""
        self.waiting.pop(0)[1].respond(response(200, body=body))


class FakeControl:
    """Answers, or breaks."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    async def handle(self, _request: Request) -> bytes:
        """Answer."""
        if self.error:
            raise self.error
        return response(200, body=b"controlled")


class FakeLifecycle:
    """Refuses every handshake that it hears of."""

    async def connect(self, _api_id: str, _stage: str, _handshake: Handshake) -> AuthorizationRefusal:
        """Refuse it."""
        return UNAUTHORIZED


def connected(error: Exception | None = None) -> tuple[ClientProtocol, FakeTransport, FakeManagement]:
    """A protocol with a client."""
    management = FakeManagement()
    parts = Parts(
        PageFilter(8_000),
        cast("Lifecycle", FakeLifecycle()),
        cast("Management", management),
        cast("Control", FakeControl(error)),
        Counters(),
    )
    protocol, transport = ClientProtocol(parts), FakeTransport()
    protocol.connection_made(transport)
    return protocol, transport, management


def post(connection_id: str, *headers: str) -> bytes:
    """A post."""
    return "\r\n".join([f"POST /a/live/@connections/{connection_id} HTTP/1.1", HOST, *headers, "", ""]).encode()


def test_pipelined_requests_are_handled_one_after_the_other() -> None:
    """The second waits for the first's answer."""
    protocol, transport, management = connected()
    protocol.data_received(post("1") + post("2"))
    assert [request.target[-1:] for request, _ in management.waiting] == [b"1"]
    management.answer(b"first")
    assert [request.target[-1:] for request, _ in management.waiting] == [b"2"]
    management.answer(b"second")
    assert transport.written.index(b"first") < transport.written.index(b"second")


def test_a_client_that_wants_to_close_is_closed_after_its_answer() -> None:
    """`Connection: close`."""
    protocol, transport, management = connected()
    protocol.data_received(post("1", "Connection: close"))
    management.answer(b"bye")
    assert transport.closed


def test_an_answer_to_a_client_that_has_gone_is_dropped() -> None:
    """Not an error."""
    protocol, transport, management = connected()
    protocol.data_received(post("1"))
    transport.abort()
    management.answer(b"late")
    assert transport.written == b""


def test_an_escaped_at_sign_is_accepted() -> None:
    """Some clients quote it."""
    protocol, _, management = connected()
    protocol.data_received(post("1").replace(b"@", b"%40"))
    assert len(management.waiting) == 1


def test_a_malformed_request_is_answered_with_400_and_closed() -> None:
    """And what follows is not read."""
    protocol, transport, management = connected()
    protocol.data_received(b"nonsense\r\n\r\n" + post("1"))
    assert transport.written.startswith(b"HTTP/1.1 400 ")
    assert transport.closed
    assert management.waiting == []


@pytest.mark.parametrize(
    ("right", "wrong", "status"),
    [
        (b"Version: 13", b"Version: 8", b"426 Upgrade Required"),
        (b"Key: dGhlIHNhbXBsZSBub25jZQ==", b"Key: short", b"400 Bad Request"),
        (b"Connection: Upgrade", b"Connection: close", b"400 Bad Request"),
    ],
)
def test_a_handshake_with_a_fault_is_refused_and_counted(right: bytes, wrong: bytes, status: bytes) -> None:
    """No API is asked; the answer says which version there is."""
    protocol, transport, _ = connected()
    good = "\r\n".join(["GET /a/live HTTP/1.1", HOST, *UPGRADE, "", ""]).encode()
    assert right in good
    protocol.data_received(good.replace(right, wrong))
    answer = bytes(transport.written)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer
    assert transport.is_closing()


ORDER, COMMAND = "POST /_gateway/faults", "POST /a/live/@connections/1"
HANDSHAKE = "GET /a/live"
UPGRADE = (
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)


@pytest.mark.parametrize("first", [ORDER, COMMAND, HANDSHAKE])
@pytest.mark.parametrize(
    "host",
    [
        "Host: attacker.example:8000",
        "Host: 127.0.0.1:8001",
        "Host: [::1]:8000",
        "X-Host: 127.0.0.1:8000",
        "X-Forwarded-Host: 127.0.0.1:8000",
        f"Host: attacker.example:8000\r\n{HOST}",
        f"{HOST}\r\nHost: attacker.example:8000",
        "Host: attacker.example:8000\r\nX-Forwarded-Host: 127.0.0.1:8000",
    ],
)
async def test_a_request_to_another_host_is_refused(first: str, host: str) -> None:
    """So a page whose own name leads to this machine (DNS rebinding) gets nothing, not even a WebSocket."""
    assert (await answered(first, host, *UPGRADE)).startswith(b"HTTP/1.1 403 ")


@pytest.mark.parametrize("first", [ORDER, COMMAND])
@pytest.mark.parametrize(
    "header",
    [
        "Origin: https://attacker.example",
        "Origin: null",
        "Origin: https://attacker.example\r\nOrigin: http://127.0.0.1:8000",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Site: same-origin",
    ],
)
async def test_control_requests_and_commands_of_another_origins_page_are_refused(first: str, header: str) -> None:
    """Before their signature is checked."""
    answer = await answered(first, HOST, header)
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert b"another origin" in answer


@pytest.mark.emulator_contract
async def test_a_page_of_any_origin_may_open_a_websocket() -> None:
    """As with API Gateway, which leaves the origin to the authorizer: here it is asked, and refuses."""
    origin = ("Origin: https://attacker.example", "Sec-Fetch-Site: cross-site")
    assert (await answered(HANDSHAKE, HOST, *origin, *UPGRADE)).startswith(b"HTTP/1.1 401 ")


async def answered(first: str, *headers: str) -> bytes:
    """The answer to a request with these headers."""
    protocol, transport, management = connected()
    protocol.data_received("\r\n".join([f"{first} HTTP/1.1", *headers, "", ""]).encode())
    if management.waiting:
        management.answer(b"")
    task: Any = protocol._task
    if task is not None:
        await task
    return transport.written


async def test_a_request_that_breaks_the_gateway_is_answered_500(caplog: pytest.LogCaptureFixture) -> None:
    """Its client must not wait for ever; the log has the trace."""
    assert (await controlled(ConnectionError("AWS is away"))).startswith(b"HTTP/1.1 500 ")
    assert "AWS is away" in caplog.text


async def controlled(error: Exception | None = None) -> bytes:
    """The answer to a control request."""
    protocol, transport, _ = connected(error)
    protocol.data_received(f"GET /_gateway/stats HTTP/1.1\r\n{HOST}\r\n\r\n".encode())
    task: Any = protocol._task
    await task
    return transport.written
