"""Seed C's bill: the cost of 1,000 concurrent chat requests in Lambda, as a talk has it, and the costs it omits."""

from decimal import Decimal

from loudhailer import codec, ids
from loudhailer.connections.model import Speaker
from loudhailer.rooms.model import SMALL_ROOM, nickname
from loudhailer.websocket.replies import room_message_frame
from tools.errors import OperatorError
from tools.planner import prices
from tools.planner.bill import BillItem, idle_polls, parts
from tools.planner.prices import MINUTES_A_MONTH

CONCURRENT = 1_000
SECONDS = Decimal("0.2")
MEMORY_GB = Decimal("0.25")
REQUESTS = CONCURRENT / SECONDS * 60 * MINUTES_A_MONTH

_CONTENT_BYTES = 100
_WRITES_A_MESSAGE = Decimal(1)
"""The minute is counted."""
_READS_A_MESSAGE = Decimal("2.5")
"""The session and the membership, consistent; the room's members, from an index."""


def as_the_talk_has_it() -> list[BillItem]:
    """Its two lines: every request takes 200 ms of 256 MB."""
    return [
        BillItem("Lambda GB-seconds", REQUESTS * SECONDS * MEMORY_GB, prices.LAMBDA_X86, "256 MB for 200 ms, x86"),
        BillItem("Lambda requests", REQUESTS, prices.LAMBDA_REQUESTS, f"{CONCURRENT / SECONDS:,.0f} a second"),
    ]


def what_it_leaves_out(room_size: int) -> list[BillItem]:
    """Return the other services' lines if each of these requests is a message to a room of so many members.

    At least: one connection for each concurrent request, 100 characters a message, nobody comes or goes.
    """
    if not 1 <= room_size <= SMALL_ROOM:
        raise OperatorError(
            f"--room-size must be from 1 to {SMALL_ROOM}; it is {room_size}.",
            "A message to a larger room is sent as a broadcast: see `loudhailer plan`.",
        )
    speaker = Speaker(ids.connection_id("L0SM9cOFvHcCIhw="), None)
    content = codec.json_text("x" * _CONTENT_BYTES)
    frame = len(room_message_frame(ids.room_key("lobby"), nickname("speaker"), content, 1_800_000_000_000, speaker))
    posts = REQUESTS * room_size
    units = parts(frame, prices.GATEWAY_MESSAGE_BYTES)
    return [
        BillItem(
            "connection minutes", Decimal(CONCURRENT * MINUTES_A_MONTH), prices.CONNECTION_MINUTES, "1,000 connections"
        ),
        BillItem(
            "gateway messages",
            REQUESTS + posts * units,
            prices.GATEWAY_MESSAGES,
            f"1 in, {room_size} out for each request",
        ),
        BillItem("DynamoDB writes", REQUESTS * _WRITES_A_MESSAGE, prices.DYNAMODB_WRITES, "the minute is counted"),
        BillItem("DynamoDB reads", REQUESTS * _READS_A_MESSAGE, prices.DYNAMODB_READS, "session, membership, members"),
        BillItem(
            "SQS requests",
            idle_polls(cells=1, shards=2),
            prices.SQS_REQUESTS,
            "idle polls; rooms are posted to directly",
        ),
        BillItem("egress", posts * frame / prices.GB, prices.EGRESS, f"GB; {frame} bytes a frame"),
    ]
