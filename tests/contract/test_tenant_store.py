"""Promises of `TenantStore`, kept by the twin and by DynamoDB."""

from dataclasses import replace
from typing import Any

import pytest

from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.errors import TransientError
from loudhailer.ids import Pattern, TenantId
from loudhailer.tenants.channels import ChannelSetting, Retention
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant, TenantRow, Tombstone
from loudhailer.tenants.port import TenantStore
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.fakes.tenants import MemoryTenantStore

ACME = Tenant(
    TenantId("acme"),
    tenant_connections=10,
    connections_per_session=2,
    tenant_per_minute=60,
    session_per_minute=5,
    messages_per_minute=70,
    session_seconds=200,
)


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> TenantStore:
    """The twin, then the adapter."""
    if request.param == "memory":
        return MemoryTenantStore()
    return DynamoTenantStore(dynamodb_of(request), table_of(request)("tenants"))


def test_a_tenant_is_read_as_it_was_put(store: TenantStore) -> None:
    """All of its limits survive the table; a second put replaces the first."""
    store.put(ACME)
    assert store.get(ACME.tenant_id) == ACME
    settings = (ChannelSetting(Pattern("news/*"), Retention(100, 3_600, 1_120)), ChannelSetting(Pattern("sport")))
    changed = replace(ACME, session_seconds=300, posts_per_minute=17, channels=settings)
    store.put(changed)
    assert store.get(ACME.tenant_id) == changed


def test_the_key_of_a_tenant_is_stored_and_not_printed(store: TenantStore) -> None:
    """Neither the API's names nor a printed tenant show the key."""
    tenant = replace(ACME, session_key="a secret key")
    store.put(tenant)
    kept = store.get(ACME.tenant_id)
    assert kept is not None
    assert kept.session_key == "a secret key"
    assert "a secret key" not in f"{kept!r} {kept} {kept.to_wire()}"


def test_a_tenant_without_a_post_limit_has_a_hundred_posts_per_message(store: TenantStore) -> None:
    """It follows the messages when those change."""
    store.put(ACME)
    for messages in (70, 7):
        store.put(replace(ACME, messages_per_minute=messages))
        found = store.get(ACME.tenant_id)
        assert found is not None
        assert (found.posts_per_minute, found.post_budget) == (None, 100 * messages)
        assert found.to_wire()["postsPerMinute"] == 100 * messages


def test_an_unknown_tenant_is_not_found(store: TenantStore) -> None:
    """A read makes no row."""
    assert store.get(TenantId("nobody")) is None
    assert store.all_tenants() == []


def test_tenants_are_listed_by_id(store: TenantStore) -> None:
    """The order does not depend on the table."""
    names = ["zeta", "acme", "Beta"]
    for name in names:
        store.put(replace(ACME, tenant_id=TenantId(name)))
    assert [tenant.tenant_id for tenant in store.all_tenants()] == sorted(names)


def test_a_tenant_under_erasure_is_not_found(store: TenantStore) -> None:
    """It leaves a tombstone, may be erased again, and is not put meanwhile."""
    other = replace(ACME, tenant_id=TenantId("other"))
    assert [store.put(ACME), store.put(other)] == [True, True]
    assert [store.begin_erasing(ACME.tenant_id) for _ in range(2)] == [True, True]
    assert [store.get(ACME.tenant_id, consistent=consistent) for consistent in (True, False)] == [None, None]
    assert store.all_tenants() == [other]
    assert store.tombstones() == [Tombstone(ACME.tenant_id, None)]
    assert [store.put(ACME), store.put(ACME, erased_before=10**9)] == [False, False]


def test_the_id_of_an_erased_tenant_is_blocked_for_a_while(store: TenantStore) -> None:
    """Then it can be used again; there is nothing to be erased by then."""
    store.put(ACME)
    store.begin_erasing(ACME.tenant_id)
    store.end_erasing(ACME.tenant_id, 500)
    assert store.tombstones() == [Tombstone(ACME.tenant_id, 500)]
    assert not store.begin_erasing(ACME.tenant_id)
    assert (store.get(ACME.tenant_id), store.all_tenants()) == (None, [])
    assert [store.put(ACME, erased_before=before) for before in (499, 500)] == [False, False]
    assert store.put(ACME, erased_before=501)
    assert (store.get(ACME.tenant_id), store.tombstones()) == (ACME, [])


def test_the_id_of_an_erased_tenant_can_be_used_at_once(store: TenantStore) -> None:
    """A put that does not ask for a time of rest succeeds."""
    store.put(ACME)
    store.begin_erasing(ACME.tenant_id)
    store.end_erasing(ACME.tenant_id, 500)
    assert store.put(ACME)
    assert store.get(ACME.tenant_id) == ACME


def test_only_a_tenant_under_erasure_gets_a_tombstone(store: TenantStore) -> None:
    """An unknown tenant gets no tombstone, nor does one whose erasing was never begun."""
    assert not store.begin_erasing(TenantId("nobody"))
    store.end_erasing(TenantId("nobody"), 500)
    store.put(ACME)
    store.end_erasing(ACME.tenant_id, 500)
    assert (store.tombstones(), store.all_tenants()) == ([], [ACME])


GLOBEX = TenantId("globex")


def test_rows_are_copied_as_they_are(store: TenantStore) -> None:
    """Tenants with their keys, tenants that are being erased, and tombstones."""
    rows = [
        TenantRow(ACME.tenant_id, 3, replace(ACME, session_key="a key", posts_per_minute=9, revision=3), None),
        TenantRow(GLOBEX, 4, None, Tombstone(GLOBEX, None)),
        TenantRow(TenantId("old"), 0, None, Tombstone(TenantId("old"), 500)),
    ]
    assert [store.copy(row) for row in reversed(rows)] == [True] * 3
    assert store.all_rows() == rows
    assert store.all_tenants() == [rows[0].tenant]
    assert store.tombstones() == [rows[1].tombstone, rows[2].tombstone]


def test_an_older_row_does_not_replace_a_newer_one(store: TenantStore) -> None:
    """A row of the same revision does: another cell may have got another part of its limits."""
    erased = TenantRow(ACME.tenant_id, 4, None, Tombstone(ACME.tenant_id, None))
    row = TenantRow(ACME.tenant_id, 3, replace(ACME, revision=3), None)
    assert store.copy(row)
    assert not store.copy(TenantRow(ACME.tenant_id, 2, None, Tombstone(ACME.tenant_id, None)))
    assert store.all_rows() == [row]
    part = TenantRow(ACME.tenant_id, 3, replace(ACME, tenant_connections=5, revision=3), None)
    assert [store.copy(part), store.all_rows() == [part]] == [True, True]
    assert [store.copy(erased), store.copy(part), store.all_rows() == [erased]] == [True, False, True]


def test_each_change_of_a_tenant_raises_the_revision_in_a_deployment_with_cells() -> None:
    """The row has the revision that its change has made; a change that is refused raises none."""
    client: Any = client_of_any_table()
    directory = DynamoCellDirectory(client, "cells-simulated")
    store = DynamoTenantStore(client, "tenants-simulated", cells_table="cells-simulated")
    seen = []
    for change in (
        lambda: store.put(ACME),
        lambda: store.put(replace(ACME, tenant_id=GLOBEX)),
        lambda: store.begin_erasing(GLOBEX),
        lambda: store.put(replace(ACME, tenant_id=GLOBEX)),
        lambda: store.end_erasing(GLOBEX, 500),
        lambda: store.put(replace(ACME, tenant_id=GLOBEX), erased_before=500),
        lambda: store.begin_erasing(TenantId("nobody")),
        lambda: store.put(replace(ACME, tenant_id=GLOBEX), erased_before=501),
    ):
        answer = change()
        seen.append((answer, directory.tenant_revision(), {row.tenant_id: row.revision for row in store.all_rows()}))
    assert seen == [
        (True, 1, {ACME.tenant_id: 1}),
        (True, 2, {ACME.tenant_id: 1, GLOBEX: 2}),
        (True, 3, {ACME.tenant_id: 1, GLOBEX: 3}),
        (False, 3, {ACME.tenant_id: 1, GLOBEX: 3}),
        (None, 4, {ACME.tenant_id: 1, GLOBEX: 4}),
        (False, 4, {ACME.tenant_id: 1, GLOBEX: 4}),
        (False, 4, {ACME.tenant_id: 1, GLOBEX: 4}),
        (True, 5, {ACME.tenant_id: 1, GLOBEX: 5}),
    ]
    found = store.get(GLOBEX)
    assert found is not None
    assert found.revision == 5


@pytest.mark.parametrize("times", [1, 5])
def test_a_concurrent_change_is_retried_on_the_next_revision(monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """If that happens each time, the operator is to try again."""
    client: Any = client_of_any_table()
    store = DynamoTenantStore(client, "tenants-simulated", cells_table="cells-simulated")
    other = DynamoTenantStore(client, "tenants-simulated", cells_table="cells-simulated")
    read, outdated = DynamoCellDirectory.tenant_revision, [times]

    def overtaken(directory: DynamoCellDirectory) -> int:
        seen = read(directory)
        if outdated[0]:
            outdated[0] -= 1
            with monkeypatch.context() as undone:
                undone.setattr(DynamoCellDirectory, "tenant_revision", read)
                other.put(replace(ACME, tenant_id=GLOBEX))
        return seen

    monkeypatch.setattr(DynamoCellDirectory, "tenant_revision", overtaken)
    if times == 1:
        assert store.put(ACME)
        assert {row.tenant_id: row.revision for row in store.all_rows()} == {ACME.tenant_id: 2, GLOBEX: 1}
    else:
        with pytest.raises(TransientError, match="changed tenants at every attempt"):
            store.put(ACME)
