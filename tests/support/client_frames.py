"""Frames of a WebSocket, as a client sends them."""

from tools.emulator.gateway.frames import unmask

MASK = b"\x37\xfa\x21\x3d"


def client_frame(opcode: int, payload: bytes, *, final: bool = True) -> bytes:
    """A frame as a client masks it."""
    size = len(payload)
    if size < 126:
        head = bytes([0x80 | size])
    elif size < 65_536:
        head = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + head + MASK + unmask(payload, MASK)
