"""Requests cut out of a byte stream."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.emulator.gateway.http1 import BadRequest, Request, RequestReader, error_response, json_response, response

POST = b"POST /api/live/@connections/a%3D HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /api/live?a=1 HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n"


def read_all(reader: RequestReader) -> list[Request]:
    """All requests that are complete."""
    requests = []
    while (request := reader.next()) is not None:
        requests.append(request)
    return requests


@given(st.integers(1, 200))
def test_requests_are_read_whole_from_any_fragments(chunk: int) -> None:
    """Pipelined requests in reads of any size."""
    data = POST + GET + POST
    reader, requests = RequestReader(), []
    for start in range(0, len(data), chunk):
        reader.feed(data[start : start + chunk])
        requests += read_all(reader)
    assert [(each.method, each.body) for each in requests] == [(b"POST", b"hello"), (b"GET", b""), (b"POST", b"hello")]
    assert requests[0].target == b"/api/live/@connections/a%3D"


def test_raw_headers_keep_case_order_and_repetition() -> None:
    """Events show headers as the client wrote them."""
    reader = RequestReader()
    reader.feed(GET)
    request = reader.next()
    assert request is not None
    assert request.raw_headers() == [("Host", "h"), ("X-Twice", "1"), ("x-twice", "2")]


def test_a_repeated_header_stays_visible() -> None:
    """A foreign Host or Origin stays visible beside the server's own, whichever comes first."""
    reader = RequestReader()
    reader.feed(b"GET / HTTP/1.1\r\nHost: attacker.example\r\nhost: 127.0.0.1\r\n\r\n")
    request = reader.next()
    assert request is not None
    assert request.headers == {b"host": b"attacker.example,127.0.0.1"}


def test_bytes_after_an_upgrade_are_left_for_the_frames() -> None:
    """A client may send its first frame with its handshake."""
    reader = RequestReader()
    reader.feed(GET + b"\x81\x85")
    reader.next()
    assert reader.rest() == b"\x81\x85"


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1_0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5_000 + b"\r\n\r\n", 413),
        (b"GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n: h\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: 1\r\n Host: h\r\n\r\n", 400),
        (b"GET / HTTP/1.0\r\nHost: h\r\n\r\n", 505),
        (b"GET / HTTP/2\r\nHost: h\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_a_malformed_request_is_refused(data: bytes, status: int) -> None:
    """Each with its own status."""
    reader = RequestReader()
    reader.feed(data)
    with pytest.raises(BadRequest) as caught:
        reader.next()
    assert caught.value.status == status


HANDSHAKE = {
    b"upgrade": b"WebSocket",
    b"connection": b"keep-alive, Upgrade",
    b"sec-websocket-version": b"13",
    b"sec-websocket-key": b"dGhlIHNhbXBsZSBub25jZQ==",
}


def handshake(method: bytes = b"GET", **changed: bytes | None) -> Request:
    """A handshake with other headers; None leaves one out."""
    headers = HANDSHAKE | {name.replace("_", "-").encode(): value for name, value in changed.items()}
    return Request(method, b"/", {name: value for name, value in headers.items() if value is not None}, (), b"")


def test_an_upgrade_is_distinguished_from_a_plain_request() -> None:
    """The Upgrade header tells, which may name other protocols too."""
    assert handshake().wants_websocket
    assert handshake(upgrade=b"h2c, websocket").wants_websocket
    assert not handshake(upgrade=b"h2c").wants_websocket
    assert not handshake(upgrade=None).wants_websocket
    assert handshake().handshake_fault is None


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (handshake(sec_websocket_version=None), 426),
        (handshake(sec_websocket_version=b"8"), 426),
        (handshake(sec_websocket_version=b"12"), 426),
        (handshake(sec_websocket_version=b"13, 8"), 426),
        (handshake(sec_websocket_key=None), 400),
        (handshake(sec_websocket_key=b""), 400),
        (handshake(sec_websocket_key=b"k"), 400),
        (handshake(sec_websocket_key=b"not base64 at all!!!!!!!"), 400),
        (handshake(sec_websocket_key=b"dG9vIHNob3J0"), 400),
        (handshake(sec_websocket_key=b"dGhlIHNhbXBsZSBub25jZSBpcyB0b28gbG9uZw=="), 400),
        (handshake(connection=None), 400),
        (handshake(connection=b"keep-alive"), 400),
        (handshake(b"POST"), 400),
    ],
)
def test_a_malformed_handshake_is_refused_with_its_fault(request_: Request, status: int) -> None:
    """Version, key, Connection and method are all as RFC 6455 has them, or nobody gets in."""
    assert request_.wants_websocket
    assert request_.handshake_fault == status


@pytest.mark.parametrize(
    ("connection", "keeps"), [(None, True), (b"keep-alive", True), (b"Close", False), (b"TE, close", False)]
)
def test_a_socket_is_kept_unless_the_client_asks_for_a_close(connection: bytes | None, *, keeps: bool) -> None:
    """The word may be among others."""
    assert handshake(connection=connection).keeps_alive is keeps


def test_an_error_names_its_type_for_the_sdks() -> None:
    """AWS's SDKs look into x-amzn-ErrorType."""
    head, _, body = error_response(410, "GoneException", "gone").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 410 Gone\r\n")
    assert b"x-amzn-ErrorType: GoneException" in head
    assert json.loads(body) == {"message": "gone"}


def test_a_response_has_the_length_of_its_body() -> None:
    """204 and 101 have none; a status without a name has a response too."""
    assert b"Content-Length: 2\r\n" in json_response(200, {})
    assert b"Content-Length" not in response(204)
    assert b"Content-Length" not in response(101)
    assert response(599).startswith(b"HTTP/1.1 599 Unknown\r\n")
