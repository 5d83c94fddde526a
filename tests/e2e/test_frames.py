"""What clients send that they should not."""

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


@pytest.mark.parametrize(
    ("text", "code"),
    [
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
    ],
)
async def test_a_frame_that_makes_no_sense_is_answered_with_what_is_wrong(scene: Scene, text: str, code: str) -> None:
    """The sender alone gets an error frame, and stays connected."""
    session = await scene.session(scene.tenant())
    sender, neighbour = await scene.guests(session, 2)
    connection_id = await sender.connection_id()
    sender.send(text)
    frame = await sender.frame()
    assert frame.keys() == {"error", "connectionId", "requestId"}
    assert frame["error"]["code"] == code
    assert frame["error"]["message"]
    assert frame["connectionId"] == connection_id
    assert frame["requestId"]
    assert await scene.received([sender, neighbour]) == [[], []]


async def test_a_message_of_128_kib_in_frames_of_32_kib_is_taken(scene: Scene) -> None:
    """What is exactly as large as it may be reaches its route, which answers."""
    guest = await scene.guest(scene.tenant())
    send_in_parts(guest, MESSAGE_BYTES)
    assert (await guest.frame())["error"]["code"] == "NOT_JSON"


@pytest.mark.parametrize("offence", ["binary", "frame", "message"])
async def test_a_frame_that_api_gateway_does_not_take_closes_the_socket(scene: Scene, offence: str) -> None:
    """With the close code that AWS uses; the neighbours stay, and the counts follow."""
    session = await scene.session(tenant := scene.tenant())
    sender, neighbour = await scene.guests(session, 2)
    await scene.counted(tenant, 2)
    match offence:
        case "binary":
            sender.send(b"\x00\x01")
        case "frame":
            sender.send("x" * (FRAME_BYTES + 1))
        case _:
            send_in_parts(sender, MESSAGE_BYTES + 1)
    assert await sender.closed(60) == (1003 if offence == "binary" else 1009)
    await scene.counted(tenant, 1)
    assert await scene.received([neighbour]) == [[]]
