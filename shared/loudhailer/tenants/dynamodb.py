"""The table of tenants in DynamoDB.

tenants: PK `tenantId`; the attributes of `TenantWire` and `sessionKey`, and `erasing` while the tenant is erased; then
`erasedAt` alone.
"""

from collections.abc import Iterator
from operator import attrgetter
from typing import override

from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.ids import TenantId
from loudhailer.tenants.model import TENANT_SESSIONS, Tenant, Tombstone
from loudhailer.tenants.port import TenantStore

_EXISTS = "attribute_exists(tenantId)"

_NOT_ERASING = "attribute_not_exists(erasing)"
_NOT_ERASED_SINCE = "(attribute_not_exists(erasedAt) OR erasedAt < :before)"


class DynamoTenantStore(DynamoTable, TenantStore):
    """Keeps the tenants in one DynamoDB table."""

    @override
    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:
        with calling("GetItem"):
            item = self._client.get_item(
                TableName=self._table, Key={"tenantId": {"S": tenant}}, ConsistentRead=consistent
            ).get("Item")
        return None if item is None or _is_tombstone(item) else _tenant_from_item(item)

    @override
    def everyone(self) -> list[Tenant]:
        tenants = [_tenant_from_item(item) for item in self._every_row() if not _is_tombstone(item)]
        return sorted(tenants, key=attrgetter("tenant_id"))

    @override
    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        item: Item = {
            "tenantId": {"S": tenant.tenant_id},
            "tenantConnections": {"N": str(tenant.tenant_connections)},
            "connectionsPerSession": {"N": str(tenant.connections_per_session)},
            "tenantPerMinute": {"N": str(tenant.tenant_per_minute)},
            "sessionPerMinute": {"N": str(tenant.session_per_minute)},
            "messagesPerMinute": {"N": str(tenant.messages_per_minute)},
            "sessionTTL": {"N": str(tenant.session_seconds)},
            "tenantSessions": {"N": str(tenant.tenant_sessions)},
        }
        if tenant.posts_per_minute is not None:
            item["postsPerMinute"] = {"N": str(tenant.posts_per_minute)}
        if tenant.session_key is not None:
            item["sessionKey"] = {"S": tenant.session_key}
        if erased_before is None:
            return self._put_row_if(item, _NOT_ERASING)
        before = {":before": {"N": str(erased_before)}}
        return self._put_row_if(item, f"{_NOT_ERASING} AND {_NOT_ERASED_SINCE}", before)

    @override
    def begin_erasing(self, tenant: TenantId) -> bool:
        condition = f"{_EXISTS} AND attribute_not_exists(erasedAt)"
        yes = {":yes": {"BOOL": True}}
        return self._update_row_if({"tenantId": {"S": tenant}}, "SET erasing = :yes", condition, yes)

    @override
    def end_erasing(self, tenant: TenantId, now: int) -> None:
        tombstone: Item = {"tenantId": {"S": tenant}, "erasedAt": {"N": str(now)}}
        self._put_row_if(tombstone, "attribute_exists(erasing)")

    @override
    def tombstones(self) -> list[Tombstone]:
        found = [
            Tombstone(TenantId(item["tenantId"]["S"]), int(item["erasedAt"]["N"]) if "erasedAt" in item else None)
            for item in self._every_row()
            if _is_tombstone(item)
        ]
        return sorted(found, key=attrgetter("tenant_id"))

    def _every_row(self) -> Iterator[Item]:
        return self._scan_rows(consistent=False)


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
    )
