"""Messages of the queue of connections' ends: the key of a row to delete, `{partition} {connectionId}`.

API Gateway sends them at `$disconnect`. A function that wants a connection closed first appends ` close`.
"""

from typing import NamedTuple, Self

from loudhailer import ids
from loudhailer.connections.model import ConnectionKey

_CLOSE = " close"


class End(NamedTuple):
    """A connection whose row is to be deleted; `close`: the connection is to be closed before."""

    key: ConnectionKey
    close: bool = False

    def to_body(self) -> str:
        """The message's body."""
        body = f"{self.key.partition} {self.key.connection_id}"
        return body + _CLOSE if self.close else body

    @classmethod
    def of_body(cls, body: str) -> Self:
        """Read the end from a message; InvalidFieldError for anything else."""
        partition, _, rest = body.partition(" ")
        connection = rest.removesuffix(_CLOSE)
        return cls(ConnectionKey(ids.partition(partition), ids.connection_id(connection)), close=connection != rest)


def group_of(tenant: ids.TenantId) -> str:
    """The group of a tenant's messages, as API Gateway's template makes it."""
    return f"tenant:{tenant}"
