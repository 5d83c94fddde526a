"""Recognition of a broadcast's frame by a crowd."""

import json

import pytest

from tools.client.stamps import Stamp, StampReader


def frame(**fields: object) -> bytes:
    """A broadcast's frame with some fields changed."""
    return json.dumps({"type": "broadcast", "id": "b1", "publishedAt": 1_000, "data": "hello"} | fields).encode()


def test_a_broadcast_has_its_stamp_at_every_arrival() -> None:
    """The second time it is recognised without being parsed."""
    reader = StampReader()
    assert [reader.stamp(frame()) for _ in range(2)] == [Stamp("b1", 1_000)] * 2


def test_two_broadcasts_of_the_same_data_are_distinguished() -> None:
    """Their heads differ in the id."""
    reader = StampReader()
    assert reader.stamp(frame()) == Stamp("b1", 1_000)
    assert reader.stamp(frame(id="b2")) == Stamp("b2", 1_000)


def test_broadcasts_with_their_data_first_are_distinguished() -> None:
    """Equal heads may hide different ids, so such heads are not remembered."""
    reader = StampReader()
    frames = [
        json.dumps(
            {"data": {"id": "b0", "text": "x" * 500}, "type": "broadcast", "id": name, "publishedAt": 5}
        ).encode()
        for name in ("b1", "b2", "b1")
    ]
    assert [reader.stamp(each) for each in frames] == [Stamp("b1", 5), Stamp("b2", 5), Stamp("b1", 5)]


@pytest.mark.parametrize(
    "payload",
    [b"", b"hello", b"[]", b"\xff", frame(type="direct"), frame(id=7), frame(publishedAt="now"), b'{"message": "hi"}'],
)
def test_other_messages_have_no_stamp(payload: bytes) -> None:
    """Echoes, errors and direct messages are not counted as broadcasts."""
    assert StampReader().stamp(payload) is None
