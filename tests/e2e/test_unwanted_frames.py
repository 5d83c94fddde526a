"""Frames that clients should not send."""

import pytest
from picows import WSMsgType

from tests.e2e.scene import Guest, Scene

FRAME_BYTES = 32 * 1024
MESSAGE_BYTES = 128 * 1024


def send_in_parts(guest: Guest, size: int) -> None:
    """Send one message of that size in frames as large as they may be."""
    sizes = [FRAME_BYTES] * (size // FRAME_BYTES) + [size % FRAME_BYTES] * (size % FRAME_BYTES > 0)
    for number, part in enumerate(sizes):
        kind = WSMsgType.CONTINUATION if number else WSMsgType.TEXT
        guest.transport.send(kind, b"x" * part, fin=number == len(sizes) - 1)


SENSELESS = [
    ("hello", "NOT_JSON"),
    ("", "NOT_JSON"),
    ("[1, 2]", "NOT_JSON"),
    ('"sendmessage"', "NOT_JSON"),
    ('{"action": "sendmess', "NOT_JSON"),
    ("{}", "NO_ACTION"),
    ('{"Action": "sendmessage"}', "NO_ACTION"),
    ('{"action": null}', "NO_ACTION"),
    ('{"action": 5}', "NO_ACTION"),
    ('{"action": {"a": "sendmessage"}}', "NO_ACTION"),
    ('{"action": "fly"}', "UNKNOWN_ACTION"),
    ('{"action": ""}', "UNKNOWN_ACTION"),
    ('{"action": "$connect"}', "UNKNOWN_ACTION"),
    ('{"action": "$disconnect"}', "UNKNOWN_ACTION"),
    ('{"action": "\\u0000"}', "UNKNOWN_ACTION"),
]


@pytest.mark.image_smoke
async def test_a_malformed_frame_is_answered_with_its_error(scene: Scene) -> None:
    """The sender alone gets an error frame, and stays connected."""
    session = await scene.session(scene.tenant())
    sender, neighbour = await scene.guests(session, 2)
    connection_id = await sender.connection_id()
    codes = []
    for text, _ in SENSELESS:
        sender.send(text)
        frame = await sender.frame()
        assert frame.keys() == {"error", "connectionId", "requestId"}, text
        assert frame["error"]["message"]
        assert frame["connectionId"] == connection_id
        assert frame["requestId"]
        codes.append((text, frame["error"]["code"]))
    assert codes == SENSELESS
    assert await scene.received([sender, neighbour]) == [[], []]


async def test_a_message_of_128_kib_in_frames_of_32_kib_is_taken(scene: Scene) -> None:
    """A message of exactly the largest size reaches its route, which answers."""
    guest = await scene.guest(scene.tenant())
    send_in_parts(guest, MESSAGE_BYTES)
    assert (await guest.frame())["error"]["code"] == "NOT_JSON"


async def test_a_frame_that_api_gateway_rejects_closes_the_socket(scene: Scene) -> None:
    """With the close code that AWS uses; the neighbours stay, and the counts follow."""
    session = await scene.session(tenant := scene.tenant())
    binary, frame, message, neighbour = await scene.guests(session, 4)
    await scene.counted(tenant, 4)
    binary.send(b"\x00\x01")
    frame.send("x" * (FRAME_BYTES + 1))
    send_in_parts(message, MESSAGE_BYTES + 1)
    assert [await sender.closed(60) for sender in (binary, frame, message)] == [1003, 1009, 1009]
    await scene.counted(tenant, 1)
    assert await scene.received([neighbour]) == [[]]
