"""The marks in DynamoDB: PK `lanes`, one row `marks` with a number for each kind of lanes.

There is one row because a consistent GetItem reads it as of one moment: if two kinds mark themselves and then read, at
least one of them sees the other's mark.
"""

from collections.abc import Mapping
from typing import override

from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.delivery.lending.port import LaneStore

_KEY: Item = {"lanes": {"S": "marks"}}


class DynamoLaneStore(DynamoTable, LaneStore):
    """Keeps the marks in a DynamoDB table."""

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
        row = self._get_row(_KEY) or {}
        return {kind: int(value["N"]) for kind, value in row.items() if "N" in value}
