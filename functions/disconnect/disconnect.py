"""The row of a connection that closed is deleted by its full key, without a read.

The key is in the authorizer's context. AWS's guide does not promise that context for `$disconnect`: if there is no
partition in it, the session's connections are searched. A row that cannot be found goes by its TTL, `reconcile` or a
410.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.errors import InvalidFieldError
from loudhailer.observability import count, logger
from loudhailer.tenancy.port import SessionStore


@dataclass(frozen=True, slots=True)
class Stores:
    """A tenant's rows."""

    connections: ConnectionStore
    sessions: SessionStore


class Disconnect:
    """Answers one `$disconnect`."""

    def __init__(self, stores_of: Callable[[ids.TenantId], Stores]) -> None:
        self._stores_of = stores_of

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Deletes the connection of a `$disconnect` event; twice is as good as once.

        Raises:
            TransientError: the row is still there.
        """
        request = event["requestContext"]
        connection, context = ids.connection_id(request["connectionId"]), request.get("authorizer") or {}
        with logger.append_context_keys(connection_id=connection):
            try:
                key: ConnectionKey | None = ConnectionKey(ids.partition(context.get("partition")), connection)
            except InvalidFieldError:
                count("DisconnectWithoutContext")
                key = self._in_session(connection, context)
            if key is None:
                logger.warning("the connection's row was not found and is left to expire")
            else:
                self._stores_of(ids.tenant_of(key.partition)).connections.delete(key)
        return {"statusCode": 200}

    def _in_session(self, connection: ids.ConnectionId, context: Mapping[str, Any]) -> ConnectionKey | None:
        try:
            tenant, session = ids.tenant_id(context.get("tenantId")), ids.session_id(context.get("sessionId"))
        except InvalidFieldError:
            return None
        found = self._stores_of(tenant).sessions.get(tenant, session)
        keys = found.connections if found else ()
        return next((key for key in keys if key.connection_id == connection), None)
