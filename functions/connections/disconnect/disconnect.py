"""Delete the rows of closed connections by their full keys, without reading them.

API Gateway sends the key to a queue, see `End`; the partition is taken from the authorizer's context. A member of a
room that did not take a frame arrives in the same queue. It is closed first, so that its client knows that it missed
something.

AWS's guide does not promise the context for `$disconnect`. A row whose partition is unknown, or for which API Gateway
sent no `$disconnect`, is deleted after a 410, by `reconcile` or by its TTL:
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
"""Time in seconds for closing connections, for which the batch's rows wait; unclosed ones are delivered again."""


class Disconnect:
    """Deletes the rows of a batch of keys."""

    def __init__(self, connections: ConnectionStore, closer: Closer, *, endpoint: str) -> None:
        self._connections = connections
        self._closer = closer
        self._endpoint = endpoint

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the partial batch response: the messages whose rows may still exist. Deleting twice does no harm."""
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
                logger.exception("rows may still exist; their messages will be delivered again", tenant_id=tenant)
                again += keys
        return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}

    def _close(self, wanted: Mapping[str, ConnectionKey]) -> list[str]:
        """Close the connections of messages that ask for it; return the messages whose connections may be open."""
        connections = {message: key.connection_id for message, key in wanted.items()}
        closing = close(self._closer, self._endpoint, connections, seconds=_CLOSE_SECONDS)
        note_closed([connections[message] for message in closing.closed])
        return list(closing.open)


def _end(body: str) -> End | None:
    """Read the end of a connection from the message; None if it has no key."""
    try:
        return End.of_body(body)
    except InvalidFieldError:
        count("DisconnectWithoutContext")
        connection = body.partition(" ")[2]
        logger.warning("a row cannot be found; it is deleted when it expires", connection_id=connection)
        return None
