"""Delete the rows of connections that API Gateway answers with 410.

API Gateway does not promise a `$disconnect`. So a row may outlive its connection, occupy a place of its session, and be
posted to again and again. Every function that receives a 410 deletes the row:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
"""

from collections.abc import Callable, Iterable
from itertools import islice

from loudhailer.connections.model import YOUNG_SECONDS, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.errors import TransientError
from loudhailer.ids import TenantId, tenant_of
from loudhailer.observability import count, logger

_AT_ONCE = 25
"""Most rows that one call deletes, since other work waits for it. The next 410 deletes the rest."""


def delete_gone(
    connections_of: Callable[[TenantId], ConnectionStore], gone: Iterable[ConnectionKey], *, now: float
) -> None:
    """Delete the rows of connections that are gone; the stream handles the deletions like all others.

    A new connection's row is kept, since its handshake may not be complete. Never raises: a row that cannot be deleted
    now is found again.
    """
    deleted = 0
    try:
        for key in islice(gone, _AT_ONCE):
            connections = connections_of(tenant_of(key.partition))
            deleted += connections.delete_if_older(key, int(now) - YOUNG_SECONDS)
    except TransientError:
        logger.exception("stale connections could not be deleted")
    count("StaleConnectionDeleted", deleted)
