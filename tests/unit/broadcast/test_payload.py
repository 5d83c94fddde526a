"""The frame, and the payload that carries it through the queues."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer import codec
from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.payload import Payload, broadcast_frame
from loudhailer.errors import MalformedMessageError
from loudhailer.queues.batching import is_legal, refuse_illegal
from tests.support.broadcasts import BROADCAST, NOW, chunk_message, texts
from tests.support.limits import MAX_BATCH_BYTES, MAX_MESSAGE_BYTES

WIRE_BYTES = 175 * 1024


def frame_full_of(text: str) -> str:
    """A frame of at most 128 KB, and of nearly that, whose message is the text over and over."""
    room = MAX_MESSAGE_BYTES - len(broadcast_frame(BROADCAST, NOW * 1000, codec.json_text("")).encode())
    return broadcast_frame(BROADCAST, NOW * 1000, codec.json_text(text * (room // (len(codec.encode(text)) - 2))))


@pytest.mark.parametrize(
    "text",
    [
        '"',
        "\\",
        "\x01",
        "\n",
        "a",
        "é",
        "€",
        "😀",
        "\x7f",
        "\uffff",
        "\ufffe",
        "\u2028",
        '"\uffff',
        '"\x01é😀\x7f\uffff',
    ],
    ids=lambda text: text.encode("utf-16-be", "surrogatepass").hex(),
)
def test_a_frame_of_128_kb_fits_with_any_content(text: str) -> None:
    """The message is at most 175 KB on the wire, SQS takes it, and the frame comes out as it went in."""
    frame = frame_full_of(text)
    assert MAX_MESSAGE_BYTES - 100 < len(frame.encode()) <= MAX_MESSAGE_BYTES
    wire = codec.encode_text(Payload.of(frame).to_wire())
    assert len(wire.encode()) <= WIRE_BYTES
    refuse_illegal(wire)
    assert Payload.from_wire(codec.decode_object(wire)).open() == frame.encode()
    assert json.loads(frame)["data"] == text * (len(json.loads(frame)["data"]) // len(text))


@pytest.mark.parametrize(
    "text", ['"', "😀", "\uffff"], ids=lambda text: text.encode("utf-16-be", "surrogatepass").hex()
)
def test_a_full_frame_fits_beside_500_connections(text: str) -> None:
    """A chunk of the largest size with the largest frame is one message."""
    body = chunk_message(500, frame=frame_full_of(text)).to_wire()
    assert len(body.encode()) <= MAX_BATCH_BYTES
    refuse_illegal(body)
    assert ChunkMessage.from_wire(body).payload.open() == frame_full_of(text).encode()


@given(texts)
def test_every_text_survives_and_is_legal(text: str) -> None:
    """Any frame comes out of a queue as it went in."""
    wire = codec.encode_text(Payload.of(text).to_wire())
    assert is_legal(wire)
    assert Payload.from_wire(codec.decode_object(wire)).open() == text.encode()


@given(st.text(st.characters(codec="ascii", min_codepoint=32), min_size=1))
def test_the_shorter_form_is_chosen(text: str) -> None:
    """Text stays readable as long as its escapes are not longer than base64."""
    wire = Payload.of(text).to_wire()
    base64_bytes = (len(text) + 2) // 3 * 4
    assert len(codec.encode(wire["data"])) - 2 <= base64_bytes
    assert ("encoding" in wire) == (len(codec.encode(text)) - 2 > base64_bytes)


def test_plain_text_is_sent_unencoded() -> None:
    """An operator can read the message of an ordinary broadcast."""
    frame = broadcast_frame(BROADCAST, NOW * 1000, codec.json_text("nothing to escape but the frame, which is short"))
    assert Payload.of(frame).to_wire() == {"data": frame}


def test_a_client_sees_the_frame_that_is_documented() -> None:
    """Type, id, time and the message, in this order and without white space."""
    frame = broadcast_frame(BROADCAST, 1234, codec.json_text({"score": [1, 2]}))
    assert frame == '{"type":"broadcast","id":"broadcast-1","publishedAt":1234,"data":{"score":[1,2]}}'


@pytest.mark.parametrize(
    "wire",
    [
        {},
        {"data": ""},
        {"data": None},
        {"data": 1},
        {"data": {"a": 1}},
        {"data": "e30=", "encoding": "gzip"},
        {"data": "e30=", "encoding": ["base64"]},
        {"data": "e30", "encoding": "base64"},
        {"data": "e 30=", "encoding": "base64"},
        {"data": "é", "encoding": "base64"},
        {"data": "/w==", "encoding": "base64"},
    ],
)
def test_a_message_without_a_frame_is_malformed(wire: dict[str, object]) -> None:
    """A missing frame, another encoding, bad base64 and bad UTF-8 are refused."""
    with pytest.raises(MalformedMessageError):
        Payload.from_wire(wire).open()


def test_a_frame_is_sent_in_its_shorter_encoding() -> None:
    """Its text as JSON has it, without the quotes around it, or base64; the text where both are as long."""
    assert Payload.of('"ab').to_wire() == {"data": '"ab'}
    assert Payload.of('""a').to_wire() == {"data": "IiJh", "encoding": "base64"}
    assert Payload.of("a").to_wire() == {"data": "a"}
    assert Payload.of('""""').to_wire() == {"data": '""""'}
