"""Rows of cells that are malformed, and changes of tenants that meet others."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.model import CellStatus, Lease
from loudhailer.errors import TransientError
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant
from tests.support.broadcasts import NORTH, NOW, SOUTH, TENANT
from tests.support.dynamodb.engine import client_of_any_table

LEASE = Lease(at=NOW, is_well=True, websocket_url="wss://x", connections=-3, tenant_revision=1)
ROW: dict[str, Any] = {
    "renewedAt": {"N": str(NOW)},
    "isWell": {"BOOL": True},
    "webSocketUrl": {"S": "wss://x"},
    "connections": {"N": "3"},
    "tenants": {"N": "1"},
}


@pytest.mark.parametrize(
    "change",
    [
        {"renewedAt": {"S": "now"}},
        {"renewedAt": {"N": "1.5"}},
        {"isWell": {"S": "yes"}},
        {"webSocketUrl": {"SS": ["wss://x"]}},
        {"connections": {"S": "many"}},
        {"tenants": {"NULL": True}},
        {"takingPart": {"M": {"hub": {"S": "all"}}}},
    ],
    ids=str,
)
def test_a_malformed_lease_is_ignored(
    change: dict[str, Any], counted: Counter[str], logged: Callable[..., list[Any]]
) -> None:
    """A cell writes it, and may have been taken over; the others' leases are read nevertheless."""
    client: Any = client_of_any_table()
    directory = DynamoCellDirectory(client, "cells-simulated")
    directory.renew(SOUTH, LEASE)
    key = {"key": {"S": "seen#north"}, "part": {"S": "lease"}}
    client.put_item(TableName="cells-simulated", Item=key | ROW | change)
    statuses = directory.statuses([NORTH, SOUTH])
    assert statuses[NORTH] == CellStatus()
    lease = statuses[SOUTH].lease
    assert lease is not None
    assert lease.connections == 0
    assert counted["LeaseMalformed"] == 1
    assert [key for (key,) in logged("key")] == ["seen#north"]


def test_a_conflicting_change_of_a_tenant_asks_for_a_retry() -> None:
    """A conflict of transactions does not show whether the condition holds."""

    class Conflicting:
        def get_item(self, **_: Any) -> Any:
            return {}

        def transact_write_items(self, **_: Any) -> Any:
            reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
            answer: Any = {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons}
            raise ClientError(answer, "TransactWriteItems")

    client: Any = Conflicting()
    store = DynamoTenantStore(client, "tenants", cells_table="cells")
    with pytest.raises(TransientError, match="TransactWriteItems failed"):
        store.put(Tenant(TENANT, 1, 2, 3, 4, 5, 6))
