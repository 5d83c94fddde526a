"""RFC 6455's frames, from the client's bytes to messages and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.client_frames import MASK, client_frame
from tools.emulator.gateway.frames import (
    Close,
    FrameReader,
    Opcode,
    Ping,
    ProtocolViolation,
    Text,
    accept_key,
    encode,
    encode_close,
)
from tools.emulator.gateway.limits import CloseCode


def read(data: bytes, frame_bytes: int = 32_768, message_bytes: int = 131_072) -> list[Text | Ping | Close]:
    """Return the frames that a fresh reader finds in the bytes."""
    return list(FrameReader(frame_bytes, message_bytes).feed(data))


def violation(data: bytes, frame_bytes: int = 32_768, message_bytes: int = 131_072) -> CloseCode:
    """The close code that the bytes lead to."""
    with pytest.raises(ProtocolViolation) as caught:
        read(data, frame_bytes, message_bytes)
    return caught.value.code


def test_the_accept_key_is_the_one_of_the_rfc() -> None:
    """RFC 6455, section 1.3."""
    assert accept_key(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def test_the_masked_hello_of_the_rfc_is_read() -> None:
    """RFC 6455, section 5.7."""
    assert read(bytes.fromhex("818537fa213d7f9f4d5158")) == [Text("Hello")]


@pytest.mark.parametrize(("size", "head"), [(125, "817d"), (126, "817e007e"), (65_536, "817f0000000000010000")])
def test_a_servers_frame_has_the_shortest_length_form(size: int, head: str) -> None:
    """7, 16 and 64 bit lengths, and no mask."""
    assert encode(Opcode.TEXT, b"x" * size) == bytes.fromhex(head) + b"x" * size


@given(st.lists(st.text(max_size=300), min_size=1, max_size=8), st.integers(1, 40), st.integers(1, 64))
def test_messages_survive_any_fragmentation(texts: list[str], fragment: int, chunk: int) -> None:
    """However messages are cut into frames, and frames into reads, they come out whole and in order."""
    data = b""
    for text in texts:
        payload = text.encode()
        parts = [payload[start : start + fragment] for start in range(0, len(payload), fragment)] or [b""]
        for index, part in enumerate(parts):
            opcode = Opcode.CONTINUATION if index else Opcode.TEXT
            data += client_frame(opcode, part, final=index == len(parts) - 1)
    reader = FrameReader(32_768, 131_072)
    events = [event for start in range(0, len(data), chunk) for event in reader.feed(data[start : start + chunk])]
    assert events == [Text(text) for text in texts]


def test_a_ping_between_fragments_is_read_at_once() -> None:
    """Control frames may be inside a fragmented message."""
    data = client_frame(1, b"a", final=False) + client_frame(9, b"?") + client_frame(0, b"b")
    assert read(data) == [Ping(b"?"), Text("ab")]


def test_a_pong_is_ignored() -> None:
    """Unasked pongs are allowed and ignored."""
    assert read(client_frame(10, b"x")) == []


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"", Close(1005, "")),
        (b"\x03\xe8", Close(1000, "")),
        (b"\x03\xe9bye", Close(1001, "bye")),
        (b"\x0f\xa0", Close(4000, "")),
    ],
)
def test_a_close_frame_gives_code_and_reason(payload: bytes, expected: Close) -> None:
    """Without a code it counts as 1005."""
    assert read(client_frame(8, payload)) == [expected]


@pytest.mark.parametrize("payload", [b"\x03", b"\x03\xed", b"\x03\xee", b"\x00\x01", b"\x13\x88"])
def test_a_close_code_that_may_not_be_sent_is_a_protocol_error(payload: bytes) -> None:
    """One byte, 1005, 1006, 1 and 5000."""
    assert violation(client_frame(8, payload)) == CloseCode.PROTOCOL_ERROR


def test_a_binary_frame_is_refused_with_1003() -> None:
    """API Gateway takes text only."""
    assert violation(client_frame(2, b"x")) == CloseCode.UNSUPPORTED_DATA


def test_a_frame_of_the_limit_passes_and_one_byte_more_is_1009() -> None:
    """32 KB a frame."""
    assert read(client_frame(1, b"x" * 32_768)) == [Text("x" * 32_768)]
    assert violation(client_frame(1, b"x" * 32_769)) == CloseCode.MESSAGE_TOO_BIG


def test_a_frame_is_refused_by_its_header_alone() -> None:
    """Nobody waits for a gigabyte to say that it is too much."""
    head = bytes([0x81, 0xFF]) + (1 << 30).to_bytes(8, "big") + MASK
    assert violation(head) == CloseCode.MESSAGE_TOO_BIG


def test_a_message_of_small_frames_over_the_limit_is_1009() -> None:
    """128 KB a message, whatever its frames."""
    frames = client_frame(1, b"x" * 8, final=False) + client_frame(0, b"x" * 8, final=False)
    assert violation(frames + client_frame(0, b"x"), message_bytes=16) == CloseCode.MESSAGE_TOO_BIG
    assert read(frames + client_frame(0, b""), message_bytes=16) == [Text("x" * 16)]


def test_invalid_utf_8_is_1007() -> None:
    """RFC 6455, section 8.1."""
    assert violation(client_frame(1, b"\xff\xfe")) == CloseCode.INVALID_PAYLOAD


@pytest.mark.parametrize(
    "data",
    [
        encode(Opcode.TEXT, b"unmasked"),
        bytes([0xC1]) + client_frame(1, b"compressed")[1:],
        client_frame(0, b"continues nothing"),
        client_frame(1, b"begun", final=False) + client_frame(1, b"begun again"),
        client_frame(9, b"x" * 126),
        client_frame(9, b"x", final=False),
        client_frame(3, b"reserved opcode"),
        client_frame(11, b"reserved control opcode"),
    ],
)
def test_a_broken_frame_is_a_protocol_error(data: bytes) -> None:
    """A frame that RFC 6455 forbids ends the connection with 1002."""
    assert violation(data) == CloseCode.PROTOCOL_ERROR


def test_a_long_reason_is_cut_to_a_control_frame() -> None:
    """At most 125 bytes, never half a character."""
    frame = encode_close(1001, "ä" * 100)
    assert len(frame) <= 127
    assert frame[4:].decode() == "ä" * 61


def test_the_code_reserved_for_a_missing_code_is_not_sent() -> None:
    """1005 exists only in reports."""
    assert encode_close(1005, "") == bytes([0x88, 0])
