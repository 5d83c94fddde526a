"""Renewal of a session while another writer is at work on it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from loudhailer.errors import TransientError
from loudhailer.ids import SessionId, TenantId
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.sessions.model import Session

ACME, S1 = TenantId("acme"), SessionId("s1")


class Client:
    """A client that knows session s1, until 200, and whose updates end with an error."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_item(self, **_: Any) -> dict[str, Any]:
        """The session's row."""
        return {"Item": {"tenantId": {"S": ACME}, "sessionId": {"S": S1}, "sessionTTL": {"N": "200"}}}

    def update_item(self, **_: Any) -> dict[str, Any]:
        """Raise."""
        raise ClientError({"Error": {"Code": self._code, "Message": ""}}, "UpdateItem")


def keep_alive(client: Any) -> Session | None:
    """Keep the session alive half way through its time."""
    return DynamoSessionStore(client, "sessions").keep_alive(ACME, S1, session_seconds=200, now=100)


def test_a_concurrent_connect_is_no_failure() -> None:
    """Its transaction holds the row, and renews the session as well."""
    assert keep_alive(Client("TransactionConflictException")) == Session(ACME, S1, 200)


def test_any_other_failure_is_transient() -> None:
    """It is not known whether the session was renewed."""
    with pytest.raises(TransientError):
        keep_alive(Client("InternalServerError"))
