"""Base of the stores in DynamoDB."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from loudhailer.aws.batches import delete_rows, paged
from loudhailer.aws.conditions import RETURN_CURRENT_ROW, holds, update_if
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


class DynamoTable:
    """A store's table: each method is one request, or one page after another.

    Reads are consistent unless `consistent` is False; an index has no consistent reads. A method that writes under a
    condition returns False if the condition does not hold. A failed request raises TransientError.
    """

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def _get_row(self, key: Item, **request: Any) -> Item | None:
        with calling("GetItem"):
            return self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True, **request).get("Item")

    def _query_pages(self, condition: str, values: Item, *, consistent: bool = True, **request: Any) -> Iterator[Any]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression=condition,
            ExpressionAttributeValues=values,
            ConsistentRead=consistent,
            **request,
        )
        return paged("Query", pages)

    def _query_rows(self, condition: str, values: Item, *, consistent: bool = True, **request: Any) -> Iterator[Item]:
        for page in self._query_pages(condition, values, consistent=consistent, **request):
            yield from page["Items"]

    def _scan_rows(self, *, consistent: bool = True, **request: Any) -> Iterator[Item]:
        pages = self._client.get_paginator("scan").paginate(TableName=self._table, ConsistentRead=consistent, **request)
        for page in paged("Scan", pages):
            yield from page["Items"]

    def _put_row_if(
        self,
        item: Item,
        condition: str,
        values: Item | None = None,
        *,
        has_made: Callable[[Item], bool] | None = None,
    ) -> bool:
        options = RETURN_CURRENT_ROW if has_made else {}
        put = partial(self._client.put_item, Item=item, **self._conditional(condition, values), **options)
        return holds("PutItem", put, has_made=has_made)

    def _update_row_if(
        self,
        key: Item,
        changes: str,
        condition: str,
        values: Item | None = None,
        *,
        has_made: Callable[[Item], bool] | None = None,
    ) -> bool:
        return update_if(self._client, self._table, key, changes, condition, values=values, has_made=has_made)

    def _delete_row_if(self, key: Item, condition: str, values: Item | None = None) -> bool:
        return holds("DeleteItem", partial(self._client.delete_item, Key=key, **self._conditional(condition, values)))

    def _delete_row(self, key: Item) -> None:
        with calling("DeleteItem"):
            self._client.delete_item(TableName=self._table, Key=key)

    def _delete_rows(self, keys: Iterable[Item]) -> None:
        delete_rows(self._client, self._table, keys)

    def _forget_tenant(self, keys: Sequence[str], tenant: str) -> int:
        """Delete the rows whose first key begins with the tenant; return their number. It reads all rows."""
        names = {f"#key{place}": key for place, key in enumerate(keys)}
        rows = list(
            self._scan_rows(
                FilterExpression="begins_with(#key0, :tenant)",
                ProjectionExpression=", ".join(names),
                ExpressionAttributeNames=names,
                ExpressionAttributeValues={":tenant": {"S": f"{tenant}#"}},
            )
        )
        self._delete_rows(rows)
        return len(rows)

    def _conditional(self, condition: str, values: Item | None) -> Item:
        request: Item = {"TableName": self._table, "ConditionExpression": condition}
        return request | {"ExpressionAttributeValues": values} if values else request
