"""The rows of connections that closed are deleted by their full keys, without a read.

API Gateway puts the key into a queue, see `End`; the partition is from the authorizer's context. Who could not be given
what others have, in a room, comes the same way, and is closed first, so that its client knows that it missed something.

AWS's guide does not promise that context for `$disconnect`. A row whose partition is not known, or whose `$disconnect`
API Gateway never sent, goes by a 410, `reconcile` or its TTL.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from loudhailer.connections.ends import End
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.delivery.closing import close, note_closed
from loudhailer.delivery.sender import Closer
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import TenantId, tenant_of
from loudhailer.observability import count, logger

_CLOSE_SECONDS = 1.0
"""Rows of a batch wait for closes that are tried again; what is not closed by then comes again."""


class Disconnect:
    """Deletes the rows of a batch of keys."""

    def __init__(self, connections: ConnectionStore, closer: Closer, *, endpoint: str) -> None:
        self._connections = connections
        self._closer = closer
        self._endpoint = endpoint

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The partial batch response: the messages whose rows may still be there. Twice is as good as once."""
        ends = {record["messageId"]: end for record in event["Records"] if (end := _end(record["body"]))}
        again = self._close({message: end.key for message, end in ends.items() if end.close})
        of_tenant: defaultdict[TenantId, dict[str, ConnectionKey]] = defaultdict(dict)
        for message, end in ends.items():
            if message not in again:
                of_tenant[tenant_of(end.key.partition)][message] = end.key
        for tenant, keys in of_tenant.items():
            try:
                self._connections.delete_all(keys.values())
            except TransientError:
                logger.exception("rows may still be there; their messages come again", tenant_id=tenant)
                again += keys
        return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}

    def _close(self, wanted: Mapping[str, ConnectionKey]) -> list[str]:
        """Close connections, by the messages that want it; the messages of those that may be open still."""
        connections = {message: key.connection_id for message, key in wanted.items()}
        closing = close(self._closer, self._endpoint, connections, seconds=_CLOSE_SECONDS)
        note_closed([connections[message] for message in closing.closed])
        return list(closing.open)


def _end(body: str) -> End | None:
    """The end that the message tells of; None if it has no key."""
    try:
        return End.of_body(body)
    except InvalidFieldError:
        count("DisconnectWithoutContext")
        connection = body.partition(" ")[2]
        logger.warning("a row cannot be found and is left to expire", connection_id=connection)
        return None
