"""Frames that no client should send, made by Hypothesis, and the frames that a client may get."""

import json
from typing import Any

from hypothesis import strategies as st

FRAME_BYTES = 32 * 1024
"""The most that API Gateway takes in one frame.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""

HOSTILE = st.sampled_from(
    [
        *("", " ", "\n", "a#b", "a/b", "../a", "a:b", "\0", "ä", "😀", "\u202e", "\ufffe", "a" * 10_000, "😀" * 2_000),
        *('"', "\\", "'", "+", "%26", "&Action=DeleteQueue", "=", "${x}", "$context.requestId", "#set($x=1)", "{{x}}"),
        *("$connect", "null", "<script>alert(1)</script>", "[]", "bronze#00000"),
    ]
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | HOSTILE
VALUE = st.recursive(
    SCALAR,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | HOSTILE, inner, max_size=4),
    max_leaves=8,
)
PLAUSIBLE = {
    "message": "hello",
    "content": "hello",
    "roomKey": "lobby",
    "nickName": "ann",
    "playerId": "ann",
    "destinationPlayerId": "bob",
    "routeKey": "sendmessage",
    "tenantId": "gold",
    "sessionId": "stolen",
    "connectionId": "stolen=",
    "requestId": "forged",
    "clientMessageId": "m1",
    "channel": "chat/a",
    "data": "hello",
    "messagesPerMinute": 1_000_000,
}


def text_of(document: Any) -> str:
    """A document as a browser would send it."""
    return json.dumps(document, ensure_ascii=False)


def frames(action: st.SearchStrategy[Any], *needed: str) -> st.SearchStrategy[str]:
    """Frames of an action: the fields that it needs, and others, each as it should be or of any other kind."""
    fields = {field: st.just(value) | VALUE for field, value in PLAUSIBLE.items()}
    required = {"action": action} | {field: fields.pop(field) for field in needed}
    return st.fixed_dictionaries(required, optional=fields).filter(is_answered).map(text_of)


def messages() -> st.SearchStrategy[str]:
    """Frames with the fields of a message to a channel alone, which is published unless one of them is illegal."""
    fields = {name: st.just(PLAUSIBLE[name]) | VALUE for name in ("channel", "data")}
    optional = {"clientMessageId": st.just("m1") | VALUE}
    return st.fixed_dictionaries({"action": st.just("publish")} | fields, optional=optional).map(text_of)


def is_answered(document: dict[str, Any]) -> bool:
    """Tell whether a frame is to be answered: blank text to a room is ignored."""
    content = document.get("content")
    return "roomKey" not in document or not isinstance(content, str) or content.strip() != ""


_FRAMES = {
    "no-json": TEXT | HOSTILE | VALUE.map(text_of) | frames(st.just("sendmessage")).map(lambda text: text[:-1]),
    "unknown": frames(VALUE) | st.dictionaries(TEXT | HOSTILE, VALUE, max_size=4).map(text_of),
    "joinroom": frames(st.just("joinroom"), "roomKey", "nickName"),
    "room": frames(st.just("sendmessage"), "roomKey", "content"),
    "direct": frames(st.just("sendmessage"), "destinationPlayerId", "message"),
    "publish": frames(st.just("publish"), "channel", "data") | messages(),
    "SiloSQS": frames(st.just("SiloSQS")),
    "PooledSQS": frames(st.just("PooledSQS")),
}
ROUTES = {route: made.filter(lambda text: len(text.encode()) <= FRAME_BYTES) for route, made in _FRAMES.items()}
"""Frames for each route; for `no-json` and `unknown`, frames that no route takes."""


def is_legal(frame: Any) -> bool:
    """Tell whether a client may get such a frame; API Gateway's `Internal server error` is none."""
    match frame:
        case (
            {"error": {"code": str(), "message": str()}, "connectionId": str(), "requestId": str()}
            | {"message": "Too Many Requests", "connectionId": str(), "requestId": str()}
            | {"type": "broadcast", "id": str(), "publishedAt": int()}
            | {"type": "published", "channel": str(), "id": str()}
            | {"status": "Message sent!", "messageId": str(), "srcPlayerId": str(), "destinationPlayerId": str()}
            | {"status": "Message sent!", "messageId": str(), "roomKey": str(), "clientMessageId": str()}
            | {"message": _, "messageId": str(), "srcPlayerId": str(), "sentAt": int()}
            | {"message": _, "tenantId": str(), "sessionId": str(), "connectionId": str(), "queue": str()}
            | {"action": "joinroom" | "leaveroom" | "sendmessage", "roomKey": str(), "nickName": str()}
        ):
            return True
    return False
