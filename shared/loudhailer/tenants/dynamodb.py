"""The table of tenants in DynamoDB.

tenants: PK `tenantId`; the attributes of `TenantWire`, of which `channels` is JSON, and `sessionKey`, and `erasing`
while the tenant is erased; then `erasedAt` alone. With further cells, each row has the `revision` of the table that it
belongs to.
"""

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import TYPE_CHECKING, Any, override

from botocore.exceptions import ClientError

from loudhailer import codec
from loudhailer.aws.errors import calling, is_refused
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.cells.dynamodb import DynamoCellDirectory, next_revision
from loudhailer.errors import TransientError
from loudhailer.ids import TenantId
from loudhailer.tenants.channels import ChannelSetting
from loudhailer.tenants.model import CHANNELS_PER_CONNECTION, TENANT_SESSIONS, Tenant, TenantRow, Tombstone
from loudhailer.tenants.port import TenantStore

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef


_EXISTS = "attribute_exists(tenantId)"

_NOT_ERASING = "attribute_not_exists(erasing)"
_NOT_ERASED_SINCE = "(attribute_not_exists(erasedAt) OR erasedAt < :before)"
_NOT_LATER = "attribute_not_exists(revision) OR revision <= :revision"

_ATTEMPTS = 5


class DynamoTenantStore(DynamoTable, TenantStore):
    """Keeps the tenants in one DynamoDB table."""

    def __init__(self, client: "DynamoDBClient", table: str, cells_table: str | None = None) -> None:
        super().__init__(client, table)
        self._cells_table = cells_table

    @override
    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
        with calling("GetItem"):
            item = self._client.get_item(
                TableName=self._table, Key={"tenantId": {"S": tenant}}, ConsistentRead=consistent
            ).get("Item")
        return None if item is None or _is_tombstone(item) else _tenant_from_item(item)

    @override
    def all_tenants(self) -> list[Tenant]:
        tenants = [_tenant_from_item(item) for item in self._every_row() if not _is_tombstone(item)]
        return sorted(tenants, key=attrgetter("tenant_id"))

    @override
    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        condition, values = _NOT_ERASING, None
        if erased_before is not None:
            condition, values = f"{_NOT_ERASING} AND {_NOT_ERASED_SINCE}", {":before": {"N": str(erased_before)}}
        return self._put(_tenant_to_item(tenant), condition, values)

    @override
    def begin_erasing(self, tenant: TenantId) -> bool:
        condition = f"{_EXISTS} AND attribute_not_exists(erasedAt)"
        values: Item = {":yes": {"BOOL": True}}
        if self._cells_table is None:
            return self._update_row_if(_key(tenant), "SET erasing = :yes", condition, values)

        def write_of(revision: int) -> "TransactWriteItemTypeDef":
            return {
                "Update": {
                    "TableName": self._table,
                    "Key": _key(tenant),
                    "UpdateExpression": "SET erasing = :yes, revision = :revision",
                    "ConditionExpression": condition,
                    "ExpressionAttributeValues": values | {":revision": {"N": str(revision)}},
                }
            }

        return self._change(self._cells_table, write_of)

    @override
    def end_erasing(self, tenant: TenantId, now: int) -> None:
        self._put(_key(tenant) | {"erasedAt": {"N": str(now)}}, "attribute_exists(erasing)")

    @override
    def all_rows(self) -> list[TenantRow]:
        # A further cell may have read the revision already: it would not copy a row of that revision for long.
        return sorted(map(_row_from_item, self._scan_rows(consistent=True)), key=attrgetter("tenant_id"))

    @override
    def copy(self, row: TenantRow) -> bool:
        item = _row_to_item(row)
        values = {":revision": {"N": str(row.revision)}}
        return self._put_row_if(item, _NOT_LATER, values)

    def _put(self, item: Item, condition: str, values: Item | None = None) -> bool:
        """Put a row on a condition; with further cells, under the next revision."""
        if self._cells_table is None:
            return self._put_row_if(item, condition, values)

        def write_of(revision: int) -> "TransactWriteItemTypeDef":
            row = item | {"revision": {"N": str(revision)}}
            put: Any = {"Item": row, **self._conditional(condition, values)}
            return {"Put": put}

        return self._change(self._cells_table, write_of)

    def _change(self, cells_table: str, write_of: "Callable[[int], TransactWriteItemTypeDef]") -> bool:
        """Carry out a conditional change of a row together with the next revision of the table."""
        directory = DynamoCellDirectory(self._client, cells_table)
        for _ in range(_ATTEMPTS):
            seen = directory.tenant_revision()
            try:
                with calling("TransactWriteItems"):
                    self._client.transact_write_items(
                        TransactItems=[write_of(seen + 1), next_revision(cells_table, seen)]
                    )
            except ClientError as error:
                if not is_refused(error):
                    raise TransientError(f"TransactWriteItems failed: {error}") from error
                reasons: Any = error.response.get("CancellationReasons", [])  # the stubs do not know it
                if reasons[0].get("Code") != "None":
                    return False
            else:
                return True
        raise TransientError("other commands changed tenants at every attempt")

    @override
    def tombstones(self) -> list[Tombstone]:
        found = [_tombstone(item) for item in self._every_row() if _is_tombstone(item)]
        return sorted(found, key=attrgetter("tenant_id"))

    def _every_row(self) -> Iterator[Item]:
        return self._scan_rows(consistent=False)


def _key(tenant: TenantId) -> Item:
    return {"tenantId": {"S": tenant}}


def _tenant_to_item(tenant: Tenant) -> Item:
    item: Item = {
        "tenantId": {"S": tenant.tenant_id},
        "tenantConnections": {"N": str(tenant.tenant_connections)},
        "connectionsPerSession": {"N": str(tenant.connections_per_session)},
        "tenantPerMinute": {"N": str(tenant.tenant_per_minute)},
        "sessionPerMinute": {"N": str(tenant.session_per_minute)},
        "messagesPerMinute": {"N": str(tenant.messages_per_minute)},
        "sessionTTL": {"N": str(tenant.session_seconds)},
        "tenantSessions": {"N": str(tenant.tenant_sessions)},
        "channelsPerConnection": {"N": str(tenant.channels_per_connection)},
    }
    if tenant.posts_per_minute is not None:
        item["postsPerMinute"] = {"N": str(tenant.posts_per_minute)}
    if tenant.channels:
        item["channels"] = {"S": codec.encode_text([one.to_wire() for one in tenant.channels])}
    if tenant.session_key is not None:
        item["sessionKey"] = {"S": tenant.session_key}
    return item


def _row_to_item(row: TenantRow) -> Item:
    item = _key(row.tenant_id) if row.tenant is None else _tenant_to_item(row.tenant)
    if row.revision:
        item["revision"] = {"N": str(row.revision)}
    if row.tombstone is not None:
        at = row.tombstone.erased_at
        item |= {"erasing": {"BOOL": True}} if at is None else {"erasedAt": {"N": str(at)}}
    return item


def _row_from_item(item: Item) -> TenantRow:
    tombstone = _tombstone(item) if _is_tombstone(item) else None
    return TenantRow(
        tenant_id=TenantId(item["tenantId"]["S"]),
        revision=int(item["revision"]["N"]) if "revision" in item else 0,
        # An erased tenant does not exist: a further cell needs neither its limits nor its key.
        tenant=None if tombstone else _tenant_from_item(item),
        tombstone=tombstone,
    )


def _tombstone(item: Item) -> Tombstone:
    return Tombstone(TenantId(item["tenantId"]["S"]), int(item["erasedAt"]["N"]) if "erasedAt" in item else None)


def _is_tombstone(item: Item) -> bool:
    return "erasing" in item or "erasedAt" in item


def _tenant_from_item(item: Item) -> Tenant:
    return Tenant(
        tenant_id=TenantId(item["tenantId"]["S"]),
        tenant_connections=int(item["tenantConnections"]["N"]),
        connections_per_session=int(item["connectionsPerSession"]["N"]),
        tenant_per_minute=int(item["tenantPerMinute"]["N"]),
        session_per_minute=int(item["sessionPerMinute"]["N"]),
        messages_per_minute=int(item["messagesPerMinute"]["N"]),
        session_seconds=int(item["sessionTTL"]["N"]),
        session_key=item.get("sessionKey", {}).get("S"),
        tenant_sessions=int(item.get("tenantSessions", {}).get("N", TENANT_SESSIONS)),
        posts_per_minute=int(item["postsPerMinute"]["N"]) if "postsPerMinute" in item else None,
        channels_per_connection=int(item.get("channelsPerConnection", {}).get("N", CHANNELS_PER_CONNECTION)),
        channels=tuple(map(ChannelSetting.from_wire, codec.decode(item.get("channels", {}).get("S", "[]")))),
        revision=int(item["revision"]["N"]) if "revision" in item else 0,
    )
