"""Requests cut out of a byte stream."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.gateway.http1 import BadRequest, Request, RequestReader, error_response, json_response, response

POST = b"POST /api/live/@connections/a%3D HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
GET = b"GET /api/live?a=1 HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nx-twice: 2\r\n\r\n"


def read_all(reader: RequestReader) -> list[Request]:
    """All requests that are complete."""
    requests = []
    while (request := reader.next()) is not None:
        requests.append(request)
    return requests


@given(st.integers(1, 200))
def test_requests_come_out_whole_however_they_are_cut(chunk: int) -> None:
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


def test_what_follows_an_upgrade_is_left_for_the_frames() -> None:
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
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 411),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 70_000, 431),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, status: int) -> None:
    """Each with its own status."""
    reader = RequestReader()
    reader.feed(data)
    with pytest.raises(BadRequest) as caught:
        reader.next()
    assert caught.value.status == status


def test_an_upgrade_is_told_from_a_plain_request() -> None:
    """It takes the Upgrade header and a key."""
    upgrade = Request(b"GET", b"/", {b"upgrade": b"WebSocket", b"sec-websocket-key": b"k"}, (), b"")
    assert upgrade.wants_websocket
    assert not Request(b"GET", b"/", {b"upgrade": b"websocket"}, (), b"").wants_websocket


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
