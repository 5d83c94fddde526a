"""The rows of connections that closed are deleted by their full keys, without a read.

API Gateway puts the key into a queue, `{partition} {connectionId}`; the partition is from the authorizer's context.
AWS's guide does not promise that context for `$disconnect`. A row whose partition is not known, or whose `$disconnect`
API Gateway never sent, goes by a 410, `reconcile` or its TTL.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

from collections import defaultdict
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
        of_tenant: defaultdict[ids.TenantId, dict[str, ConnectionKey]] = defaultdict(dict)
        for record in event["Records"]:
            if key := _key(record["body"]):
                of_tenant[ids.tenant_of(key.partition)][record["messageId"]] = key
        again: list[str] = []
        for tenant, keys in of_tenant.items():
            try:
                self._connections_of(tenant).delete_all(keys.values())
            except TransientError:
                logger.exception("rows are still there; their messages come again", tenant_id=tenant)
                again += keys
        return {"batchItemFailures": [{"itemIdentifier": message} for message in again]}


def _key(body: str) -> ConnectionKey | None:
    """The key of the row; None if the message does not have it."""
    partition, _, connection = body.rpartition(" ")
    try:
        return ConnectionKey(ids.partition(partition), ids.connection_id(connection))
    except InvalidFieldError:
        count("DisconnectWithoutContext")
        logger.warning("a row cannot be found and is left to expire", connection_id=connection)
        return None
