"""A hub reaches a cell that is another account of the local AWS, in the role that it has there."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from functions.messaging.forward_message import dynamodb as forwarding
from functions.messaging.forward_message.settings import Settings as ForwardSettings
from functions.sessions.session_api.dynamodb import placing
from functions.sessions.session_api.settings import Settings
from loudhailer.aws import clients
from loudhailer.cells.dynamodb import DynamoCellDirectory
from loudhailer.cells.model import DeclaredCell, Lease
from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.cells.placements.model import name_of_session
from loudhailer.cells.rendezvous import ranked
from loudhailer.codec import json_text
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, PlayerId, SessionId
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.inbox.model import DirectMessage, Inbox, MessageId
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.model import Tenant
from tests.support.aws import ACCOUNT, SECRET, aws_client
from tests.support.broadcasts import NORTH, NOW, TENANT
from tests.support.tables import TableKind, create_table

CELL_ACCOUNT = "444444444444"
EXTERNAL_ID = "north-1"
ACME = Tenant(TENANT, 30, 2, 60, 5, 70, 200, revision=1)


def session_on(cell: str) -> SessionId:
    """A session that hashing places on the cell."""
    names = (SessionId(f"s{number}") for number in range(100))
    return next(name for name in names if ranked(f"{TENANT}#{name_of_session(name)}", {HUB: 1, NORTH: 1})[0] == cell)


@pytest.fixture
def settings(
    aws: Callable[[str], Any],
    aws_endpoint: str,
    table: Callable[[TableKind], str],
    monkeypatch: pytest.MonkeyPatch,
) -> Settings:
    """The settings of a hub with the cell north, whose tables and role are in its own account."""
    for name, value in {
        "AWS_ENDPOINT_URL": aws_endpoint,
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
    }.items():
        monkeypatch.setenv(name, value)
    of_cell: tuple[TableKind, ...] = ("sessions", "places", "messages")
    of_hub: tuple[TableKind, ...] = (*of_cell, "cells", "placements")
    tables = {kind: table(kind) for kind in of_hub}
    there, iam = (aws_client(service, aws_endpoint, CELL_ACCOUNT) for service in ("dynamodb", "iam"))
    for kind in of_cell:
        create_table(there, kind, tables[kind])
    role = f"{tables['cells']}-hub"
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Condition": {"StringEquals": {"sts:ExternalId": EXTERNAL_ID}},
    }
    rights = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": f"arn:aws:dynamodb:us-east-1:{CELL_ACCOUNT}:*"}
    iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName=role, PolicyName="rows", PolicyDocument=policy(rights))
    monkeypatch.setenv("MESSAGES_TABLE", tables["messages"])
    DynamoCellDirectory(aws("dynamodb"), tables["cells"]).renew(
        NORTH,
        Lease(at=NOW, is_well=True, websocket_url="ws://127.0.0.1:2/north/live", connections=0, tenant_revision=1),
    )
    return Settings(
        tenants_table="tenants",
        sessions_table=tables["sessions"],
        places_table=tables["places"],
        limits_table="limits",
        broadcasts_table="broadcasts",
        websocket_url="ws://127.0.0.1:1/hub/live",
        spread_sessions=True,
        list_tenants=False,
        silo_tenants=(),
        session_auth="none",
        tenant_claim="tenantId",
        shortest_session_id=1,
        connects_per_second=500,
        connects_reserve=0.03,
        cells={NORTH: DeclaredCell(NORTH, CELL_ACCOUNT, EXTERNAL_ID, "us-east-1", 1.0)},
        cells_table=tables["cells"],
        placements_table=tables["placements"],
        cell_role_arn=f"arn:aws:iam::{{accountId}}:role/{role}",
        home_connections=1,
    )


def policy(statement: dict[str, Any]) -> str:
    """A policy document of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_session_is_kept_in_the_account_of_its_cell(settings: Settings, aws_endpoint: str) -> None:
    """The hub keeps its own, and where each of them is; the tenant's cells are those of its sessions."""
    client = clients.client("dynamodb")
    several = placing(settings, client, clock=lambda: NOW)
    kept = {
        HUB: DynamoSessionStore(client, settings.sessions_table),
        NORTH: DynamoSessionStore(aws_client("dynamodb", aws_endpoint, CELL_ACCOUNT), settings.sessions_table),
    }
    for cell in (HUB, NORTH):
        session = session_on(cell)
        session_cell = several.place(ACME, session, None)
        assert session_cell is not None
        assert (session_cell.name, session_cell.tenant_sessions) == (cell, ACME.tenant_sessions // 2)
        assert session_cell.sessions.renew(TENANT, session, player=None, expires_at=NOW + 9, now=NOW)
        assert session_cell.places.take(TENANT, "sessions", 1, expires_at=NOW + 9)
        assert {name for name, store in kept.items() if store.get(TENANT, session)} == {cell}
    placements = DynamoPlacementStore(client, settings.placements_table)
    assert placements.cells_of(TENANT) == {HUB: NOW, NORTH: NOW}


def test_a_hub_with_another_external_id_reaches_no_cell(settings: Settings) -> None:
    """A role of another deployment is of no use to it."""
    cells = settings.cells
    assert cells is not None
    wrong = replace(settings, cells={NORTH: replace(cells[NORTH], external_id="north-2")})
    session_cell = placing(wrong, clients.client("dynamodb"), clock=lambda: NOW).place(ACME, session_on(NORTH), None)
    assert session_cell is not None
    with pytest.raises(TransientError, match="AssumeRole failed"):
        session_cell.sessions.get(TENANT, session_on(NORTH))


def test_a_message_is_kept_in_the_account_of_its_receivers_cell(settings: Settings, aws_endpoint: str) -> None:
    """With a place; and it is deleted there in the same role."""
    client, table = clients.client("dynamodb"), os.environ["MESSAGES_TABLE"]
    inboxes_of = forwarding.inboxes_of_cells(
        ForwardSettings(
            tenants_table="tenants",
            placements_table=settings.placements_table,
            messages_table=table,
            places_table=settings.places_table,
            forward_queues="https://sqs/bench-forward-{cell}.fifo",
            dead_letter_queue_url="https://sqs/bench-dead-letter",
            messages_per_inbox=1,
            cells=settings.cells,
            cell_role_arn=settings.cell_role_arn,
        ),
        client,
    )
    kept = {
        HUB: DynamoInboxStore(client, table),
        NORTH: DynamoInboxStore(aws_client("dynamodb", aws_endpoint, CELL_ACCOUNT), table),
    }
    inbox = Inbox(TENANT, PlayerId("bob"))
    message = DirectMessage(inbox, MessageId("1"), json_text("Hello"), PlayerId("alice"), NOW, NOW + 9)
    for cell in (HUB, NORTH):
        found = inboxes_of(cell)
        assert found.places.take(TENANT, "inbox#bob", 1, expires_at=NOW + 9)
        found.inboxes.put(message)
        assert {name for name, store in kept.items() if store.oldest(inbox, 1) == [message]} == {cell}
        found.inboxes.delete([message])
        assert kept[cell].oldest(inbox, 1) == []
