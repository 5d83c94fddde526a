"""Totals and counters in the table of limits in DynamoDB.

limits: PK `key`; `itemCount`. The total of a tenant's connections has the tenant's id as its key, and `inquiry?`. A
minute's counter has the key of its `MinuteCounter`, and `itemTTL` (epoch seconds). The first refused message of a
minute, `refusedFrom`, has that key with the suffix `:refused`: it outlives the count.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, override

from loudhailer.aws.batches import delete_rows, paged
from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.errors import BusyError
from loudhailer.ids import ProbeId, TenantId
from loudhailer.limits.model import Inquiry, MinuteCounter, TenantTotal, minute_of
from loudhailer.limits.port import LimitStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient


_ATTEMPTS = 4

_MINUTE_TTL_SECONDS = 61
"""Seconds from the start of a minute until its counter expires."""

_REFUSAL_TTL_SECONDS = 86_460
"""Seconds that a refusal is kept: its message may be delivered again as long as the queue keeps it, which is a day."""

_COUNT = "SET itemTTL = :ttl ADD itemCount :times"

_OF_TENANT = "#key = :tenant OR begins_with(#key, :others)"
"""The keys of a tenant's rows begin with its id, which contains no colon."""


class DynamoLimitStore(DynamoTable, LimitStore):
    """Keeps the totals and the minutes' counts in one DynamoDB table.

    The client must try each call once: a call whose answer was lost must not be repeated, since it may have been
    carried out. Calls that were certainly throttled are repeated here.
    """

    def __init__(self, client: "DynamoDBClient", table: str, *, pause: Callable[[float], None]) -> None:
        super().__init__(client, table)
        self._pause = pause

    @override
    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        return maximum > 0 and self._update(
            tenant,
            "ADD itemCount :one, reserved :one",
            "attribute_not_exists(itemCount) OR itemCount < :maximum",
            {":one": {"N": "1"}, ":maximum": {"N": str(maximum)}},
        )

    @override
    def release(self, tenant: TenantId, connections: int) -> None:
        k: Item = {":k": {"N": str(connections)}}
        less = {":less": {"N": str(-connections)}}
        if not self._update(tenant, "ADD itemCount :less", "itemCount >= :k", k | less):
            self._update(tenant, "SET itemCount = :zero", "itemCount < :k", k | {":zero": {"N": "0"}})

    @override
    def forget(self, tenant: TenantId) -> None:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression=_OF_TENANT,
            ProjectionExpression="#key",
            ExpressionAttributeNames={"#key": "key"},
            ExpressionAttributeValues={":tenant": {"S": tenant}, ":others": {"S": f"{tenant}:"}},
            ConsistentRead=True,
        )
        for page in paged("Scan", pages):
            delete_rows(self._client, self._table, page["Items"], pause=self._pause)

    @override
    def total(self, tenant: TenantId) -> TenantTotal:
        item = self._get_row({"key": {"S": tenant}}) or {}
        return TenantTotal(
            count=int(item.get("itemCount", {"N": "0"})["N"]),
            reserved=int(item.get("reserved", {"N": "0"})["N"]),
            inquiry=_inquiry_from_value(item["inquiry"]) if "inquiry" in item else None,
        )

    @override
    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        if inquiry is None:
            self._update(tenant, "REMOVE inquiry", "attribute_exists(itemCount)", {})
        else:
            values = {":inquiry": _inquiry_to_value(inquiry)}
            self._update(tenant, "SET inquiry = :inquiry", "attribute_exists(itemCount)", values)

    @override
    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        return self._update(
            tenant,
            "REMOVE inquiry ADD itemCount :difference",
            "itemCount >= :least AND inquiry = :seen",
            {
                ":difference": {"N": str(difference)},
                ":least": {"N": str(max(0, -difference))},
                ":seen": _inquiry_to_value(seen),
            },
        )

    @override
    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:

        def add() -> int:
            with calling("UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"key": {"S": counter.key(now)}},
                    UpdateExpression=_COUNT,
                    ExpressionAttributeValues=_counted(times, now),
                    ReturnValues="UPDATED_NEW",
                )
            return int(answer["Attributes"]["itemCount"]["N"])

        return self._repeated_if_throttled(add)

    @override
    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        self._update(
            _refusal_key(counter, now),
            "SET refusedFrom = :sequence, itemTTL = :ttl",
            "attribute_not_exists(refusedFrom)",
            {":sequence": {"S": sequence}, ":ttl": {"N": str(minute_of(now) + _REFUSAL_TTL_SECONDS)}},
        )

    @override
    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        item = self._get_row({"key": {"S": _refusal_key(counter, now)}}) or {}
        return item["refusedFrom"]["S"] if "refusedFrom" in item else None

    @override
    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        most_before = {":mostBefore": {"N": str(maximum - amount)}}
        return self._update(
            counter.key(now),
            _COUNT,
            "attribute_not_exists(itemCount) OR itemCount <= :mostBefore",
            _counted(amount, now) | most_before,
        )

    def _update(self, key: str, changes: str, condition: str, values: Item) -> bool:
        update = partial(self._update_row_if, {"key": {"S": key}}, changes, condition, values)
        return self._repeated_if_throttled(update)

    def _repeated_if_throttled[T](self, update: Callable[[], T]) -> T:
        for attempt in range(_ATTEMPTS):
            if attempt:
                self._pause(0.05 * 2**attempt)
            try:
                return update()
            except BusyError:
                continue
        raise BusyError(f"UpdateItem was throttled in {_ATTEMPTS} attempts")


def _refusal_key(counter: MinuteCounter, now: int) -> str:
    return f"{counter.key(now)}:refused"


def _counted(times: int, now: int) -> Item:
    return {":ttl": _minute_ttl(now), ":times": {"N": str(times)}}


def _minute_ttl(now: int) -> Item:
    return {"N": str(minute_of(now) + _MINUTE_TTL_SECONDS)}


def _inquiry_to_value(inquiry: Inquiry) -> Item:
    fields: Item = {"at": {"N": str(inquiry.at)}, "reserved": {"N": str(inquiry.reserved)}}
    if inquiry.rows is not None:
        fields["rows"] = {"N": str(inquiry.rows)}
    if inquiry.probe is not None:
        fields["probe"] = {"S": inquiry.probe}
    return {"M": fields}


def _inquiry_from_value(value: Any) -> Inquiry:
    fields = value["M"]
    return Inquiry(
        at=int(fields["at"]["N"]),
        reserved=int(fields["reserved"]["N"]),
        rows=int(fields["rows"]["N"]) if "rows" in fields else None,
        probe=ProbeId(fields["probe"]["S"]) if "probe" in fields else None,
    )
