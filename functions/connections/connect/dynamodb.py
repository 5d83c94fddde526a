"""The register on DynamoDB: one transaction over the tables of connections, sessions and devices."""

from typing import TYPE_CHECKING, Any, override

from botocore.exceptions import ClientError

from functions.connections.connect.port import Entry, Register
from loudhailer.aws.errors import calling, reasons_of
from loudhailer.aws.rows import Item
from loudhailer.aws.transactions import THROTTLED
from loudhailer.connections.devices.dynamodb import device_to_item
from loudhailer.connections.dynamodb import connection_to_item
from loudhailer.connections.model import Connection
from loudhailer.sessions.dynamodb import former_session_key, session_key

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_IS_NEW = "attribute_not_exists(connectionId)"
_LIVE = "sessionTTL > :now"
_HAS_ROOM = "(attribute_not_exists(connectionIds) OR size(connectionIds) < :maximum)"
_UNBOUND = "attribute_not_exists(playerId)"
_BOUND_TO = "playerId = :player"
"""A client that was admitted as one player must not enter a session that was recreated for another player since."""

_REFUSED = "ConditionalCheckFailed"


class DynamoRegister(Register):
    """Records each connection in three DynamoDB tables, in one transaction.

    `spread` is False while sessions are made under the former keys: those are tried first, since a transaction that
    finds no session is paid for.
    """

    def __init__(
        self,
        client: "DynamoDBClient",
        connections_table: str,
        sessions_table: str,
        devices_table: str,
        *,
        spread: bool = True,
    ) -> None:
        self._client = client
        self._connections_table = connections_table
        self._sessions_table = sessions_table
        self._devices_table = devices_table
        self._keys = (session_key, former_session_key) if spread else (former_session_key, session_key)

    @override
    def record(self, connection: Connection, *, connections_per_session: int, session_expires_at: int) -> Entry:
        if connections_per_session < 1:
            return Entry.SESSION_FULL
        # A session that a former release created has that release's key.
        for key_of in self._keys:
            session = key_of(connection.tenant_id, connection.session_id)
            entry = self._record(connection, session, connections_per_session, session_expires_at)
            if entry is not None:
                return entry
        return Entry.SESSION_OVER

    def _record(
        self, connection: Connection, session: Item, connections_per_session: int, session_expires_at: int
    ) -> Entry | None:
        """Record the connection in the session of this key; None if there is no such row."""
        values: dict[str, Any] = {
            ":expiresAt": {"N": str(session_expires_at)},
            ":connection": {"SS": [connection.key.in_session()]},
            ":now": {"N": str(connection.connected_at)},
            ":maximum": {"N": str(connections_per_session)},
        }
        binding = _UNBOUND
        devices: list[Any] = []
        if connection.player_id is not None:
            binding = _BOUND_TO
            values[":player"] = {"S": connection.player_id}
            device = device_to_item(connection, connection.player_id)
            devices = [{"Put": {"TableName": self._devices_table, "Item": device}}]
        try:
            with calling("TransactWriteItems"):
                self._client.transact_write_items(
                    TransactItems=[
                        {
                            "Put": {
                                "TableName": self._connections_table,
                                "Item": connection_to_item(connection),
                                "ConditionExpression": _IS_NEW,
                                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                            }
                        },
                        {
                            "Update": {
                                "TableName": self._sessions_table,
                                "Key": session,
                                "UpdateExpression": "SET sessionTTL = :expiresAt ADD connectionIds :connection",
                                "ConditionExpression": f"{_LIVE} AND {_HAS_ROOM} AND {binding}",
                                "ExpressionAttributeValues": values,
                                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
                            }
                        },
                        *devices,
                    ]
                )
        except ClientError as error:
            return _reason(error, connection)
        return Entry.RECORDED


def _reason(error: ClientError, connection: Connection) -> Entry | None:
    """Read the result from a transaction's cancellation reasons, in the order of its items; None without a session.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html#API_TransactWriteItems_Errors
    """
    reasons: Any = error.response["CancellationReasons"]
    row, session, *_ = reasons
    if row["Code"] == _REFUSED:
        recorded_for = row.get("Item", {}).get("sessionId", {}).get("S")
        return Entry.RECORDED_BEFORE if recorded_for == connection.session_id else Entry.SESSION_OVER
    if session["Code"] == _REFUSED:
        session_row = session.get("Item")
        if session_row is None:
            return None
        is_live = int(session_row["sessionTTL"]["N"]) > connection.connected_at
        is_the_same = session_row.get("playerId", {}).get("S") == connection.player_id
        return Entry.SESSION_FULL if is_the_same and is_live else Entry.SESSION_OVER
    return Entry.CONTENDED if reasons_of(error).isdisjoint(THROTTLED) else Entry.THROTTLED
