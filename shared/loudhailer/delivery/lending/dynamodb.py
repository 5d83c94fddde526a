"""The marks on DynamoDB: PK `lanes`, one row `marks`, and in it a number for each kind of lanes.

One row, because a consistent GetItem sees all of it as of one moment: of two kinds that mark themselves and then read,
one at least sees the other.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, override

from loudhailer.aws.errors import calling
from loudhailer.delivery.lending.port import LaneStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_KEY: Mapping[str, Any] = {"lanes": {"S": "marks"}}


class DynamoLaneStore(LaneStore):
    """Keeps the marks in a DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    @override
    def mark(self, kind: str, at: int) -> None:
        with calling("UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key=_KEY,
                UpdateExpression="SET #kind = :at",
                ExpressionAttributeNames={"#kind": kind},
                ExpressionAttributeValues={":at": {"N": str(at)}},
            )

    @override
    def marks(self) -> Mapping[str, int]:
        with calling("GetItem"):
            row = self._client.get_item(TableName=self._table, Key=_KEY, ConsistentRead=True).get("Item", {})
        return {kind: int(value["N"]) for kind, value in row.items() if "N" in value}
