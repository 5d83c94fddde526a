"""The row of a connection that closed is deleted by its full key, without a read.

API Gateway puts the key into a queue, `{partition} {connectionId}`; the partition is from the authorizer's context.
AWS's guide does not promise that context for `$disconnect`. A row whose partition is not known, or whose `$disconnect`
API Gateway never sent, goes by a 410, `reconcile` or its TTL.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.observability import count, logger


class Disconnect:
    """Deletes the rows of a batch of keys; `connections_of` gives a tenant's."""

    def __init__(self, connections_of: Callable[[ids.TenantId], ConnectionStore]) -> None:
        self._connections_of = connections_of

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The partial batch response: the messages whose rows may still be there. Twice is as good as once."""
        again = []
        for record in event["Records"]:
            try:
                self._delete(record["body"])
            except TransientError:
                logger.exception("a row is still there; its message comes again")
                again.append({"itemIdentifier": record["messageId"]})
        return {"batchItemFailures": again}

    def _delete(self, body: str) -> None:
        partition, _, connection = body.rpartition(" ")
        try:
            key = ConnectionKey(ids.partition(partition), ids.connection_id(connection))
        except InvalidFieldError:
            count("DisconnectWithoutContext")
            logger.warning("a row cannot be found and is left to expire", connection_id=connection)
        else:
            self._connections_of(ids.tenant_of(key.partition)).delete(key)
