"""Sender of a frame, as its event says it."""

import pytest

from loudhailer.codec import decode
from loudhailer.errors import ErrorCode, InvalidFieldError
from loudhailer.websocket.caller import Caller
from tests.unit.messaging.websocket.events import KEY, NOW, PLAYER, SESSION, TENANT, event


def test_a_caller_is_read_from_the_authorizers_context() -> None:
    """Numbers come as strings, and the time in milliseconds."""
    assert Caller.of(event({})) == Caller(
        tenant_id=TENANT,
        session_id=SESSION,
        key=KEY,
        session_seconds=300,
        messages_per_minute=3,
        posts_per_minute=300,
        request_id="r=1",
        received_at=NOW * 1_000,
        player_id=PLAYER,
        tenant_per_minute=50,
        channels_per_connection=100,
    )


def test_a_session_may_be_bound_to_no_player() -> None:
    """Then the caller has none."""
    assert Caller.of(event({}, context={"playerId": None})).player_id is None


@pytest.mark.parametrize("field", ["partition", "sessionId", "sessionTTL", "messagesPerMinute"])
@pytest.mark.parametrize("value", [None, "", "a/b"])
def test_an_event_without_caller_fields_names_the_missing_ones(field: str, value: str | None) -> None:
    """Without it nobody is the caller."""
    with pytest.raises(InvalidFieldError, match=field):
        Caller.of(event({}, context={field: value}))


def test_an_event_without_a_context_has_no_caller() -> None:
    """As where a route was reached without the authorizer."""
    bare = event({})
    del bare["requestContext"]["authorizer"]
    with pytest.raises(InvalidFieldError, match="tenantId"):
        Caller.of(bare)


def test_a_refusal_names_the_connection_and_the_request() -> None:
    """So that a client can tell which of its frames it is about."""
    assert decode(Caller.of(event({})).refusal(ErrorCode.NO_ACTION, "why not", ["joinroom"])) == {
        "error": {"code": "NO_ACTION", "message": "why not", "actions": ["joinroom"]},
        "connectionId": KEY.connection_id,
        "requestId": "r=1",
    }


def test_a_caller_has_the_posts_that_the_authorizer_names() -> None:
    """One of an earlier release names none: then it is a hundred for each message, as for a tenant without a number."""
    assert Caller.of(event({}, context={"postsPerMinute": "17"})).posts_per_minute == 17
    assert Caller.of(event({}, context={"messagesPerMinute": "5"})).posts_per_minute == 500
