"""The line in the table of limits in DynamoDB.

| key | attributes |
|---|---|
| `:line:<cell>` | `slotEnd`, `appointmentEnd`: epoch microseconds |
| `{tenantId}:{sessionId}:turns` | `turns`: a set of texts `<kind>@<epoch microseconds>`; `itemTTL` |

No id contains a colon or is empty, so no other row has these keys. All writes to a cell's line go to one key, which
takes 1,000 a second: its callers extend the line by several times at once if it moves faster.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

from collections.abc import Collection, Iterable
from itertools import cycle, islice
from typing import TYPE_CHECKING, Literal, override

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.errors import BusyError
from loudhailer.ids import CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, LineEnds, Turn
from loudhailer.limits.line.port import LONGEST_SECONDS, LineStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_ATTEMPTS = 6

_MICROSECONDS = 1_000_000

type Returned = Literal["ALL_NEW", "UPDATED_OLD"]


class DynamoLineStore(DynamoTable, LineStore):
    """Keeps the lines and the turns in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        super().__init__(client, table)
        self._seen: dict[CellName, LineEnds] = {}

    @override
    def ends(self, cell: CellName) -> LineEnds:
        self._seen[cell] = _ends(self._get_row({"key": {"S": f":line:{cell}"}}) or {})
        return self._seen[cell]

    @override
    def extend(self, cell: CellName, kind: Kind, seconds: float, now: float) -> LineEnds:
        end = f"{kind}End"
        values = {":now": _microseconds(now), ":longest": _microseconds(now + LONGEST_SECONDS)}
        longer = f"ADD {end} :more", f"{end} >= :now AND {end} <= :longest", {":more": _microseconds(seconds)}
        anew = (
            f"SET {end} = :anew",
            f"attribute_not_exists({end}) OR {end} < :now OR {end} > :longest",
            {":anew": _microseconds(now + seconds)},
        )
        # One of the two conditions holds at any moment, but other writers may come between the attempts. A refused
        # write costs as much as a successful one, so the condition that the last seen ends satisfy is tried first.
        is_over = self._seen.get(cell, LineEnds()).of(kind) < now
        for changes, condition, value in islice(cycle((anew, longer) if is_over else (longer, anew)), _ATTEMPTS):
            row = self._updated(f":line:{cell}", changes, condition, values | value, returned="ALL_NEW")
            if row is not None:
                self._seen[cell] = _ends(row)
                return self._seen[cell]
        raise BusyError("other writers extended the line at every attempt")

    @override
    def turns(self, tenant: TenantId, session: SessionId) -> Collection[Turn]:
        row = self._get_row({"key": {"S": _turns_key(tenant, session)}}) or {}
        return [_turn(text) for text in row.get("turns", {"SS": []})["SS"]]

    @override
    def keep(self, tenant: TenantId, session: SessionId, turn: Turn, *, expires_at: int) -> None:
        with calling("UpdateItem"):
            self._client.update_item(
                TableName=self._table,
                Key={"key": {"S": _turns_key(tenant, session)}},
                UpdateExpression="SET itemTTL = :expiresAt ADD turns :turns",
                ExpressionAttributeValues={":expiresAt": {"N": str(expires_at)}, ":turns": _texts([turn])},
            )

    @override
    def use(self, tenant: TenantId, session: SessionId, turn: Turn, late: Collection[Turn]) -> bool:
        before = self._updated(
            _turns_key(tenant, session),
            "DELETE turns :turns",
            "attribute_exists(turns)",
            {":turns": _texts([turn, *late])},
            returned="UPDATED_OLD",
        )
        return before is not None and _text(turn) in before["turns"]["SS"]

    def _updated(self, key: str, changes: str, condition: str, values: Item, *, returned: Returned) -> Item | None:
        """Update a row and return it, or what was changed; None if the condition did not hold."""
        try:
            with calling("UpdateItem"):
                answer = self._client.update_item(
                    TableName=self._table,
                    Key={"key": {"S": key}},
                    UpdateExpression=changes,
                    ConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ReturnValues=returned,
                )
        except ClientError:
            # `calling` lets only the error of a failed condition pass.
            return None
        return dict(answer["Attributes"])


def _turns_key(tenant: TenantId, session: SessionId) -> str:
    return f"{tenant}:{session}:turns"


def _microseconds(seconds: float) -> Item:
    return {"N": str(round(seconds * _MICROSECONDS))}


def _ends(row: Item) -> LineEnds:
    return LineEnds(_seconds(row, "slotEnd"), _seconds(row, "appointmentEnd"))


def _seconds(row: Item, name: str) -> float:
    return int(row[name]["N"]) / _MICROSECONDS if name in row else 0.0


def _texts(turns: Iterable[Turn]) -> Item:
    return {"SS": [_text(each) for each in turns]}


def _text(turn: Turn) -> str:
    return f"{turn.kind}@{round(turn.at * _MICROSECONDS)}"


def _turn(text: str) -> Turn:
    kind, _, at = text.partition("@")
    return Turn(Kind(kind), int(at) / _MICROSECONDS)
