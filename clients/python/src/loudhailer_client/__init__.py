"""Client of Loudhailer: channels, rooms and messages over a WebSocket that keeps itself up."""

from loudhailer_client.channel import Channel, Recover, Room
from loudhailer_client.client import Client, connect
from loudhailer_client.connection import GetSession, Session, SessionQuestion, Status
from loudhailer_client.errors import LoudhailerError
from loudhailer_client.server import Server, Signer, sigv4
from loudhailer_client.times import Times

__all__ = [
    "Channel",
    "Client",
    "GetSession",
    "LoudhailerError",
    "Recover",
    "Room",
    "Server",
    "Session",
    "SessionQuestion",
    "Signer",
    "Status",
    "Times",
    "connect",
    "sigv4",
]
