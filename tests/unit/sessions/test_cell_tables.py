"""The tables of a further cell are reached in the hub's role there, on a wire that ends in this process."""

import re
import time
from dataclasses import replace
from datetime import timedelta
from functools import cache
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from functions.broadcast.publish import dynamodb as publish_tables
from functions.broadcast.publish.settings import Settings as PublishSettings
from functions.sessions.session_api.dynamodb import LINE_ATTEMPTS, LINE_SECONDS, placing
from functions.sessions.session_api.placing import OneCell, SeveralCells
from functions.sessions.session_api.settings import Settings
from functions.web.console import dynamodb as console_tables
from loudhailer.aws import clients
from loudhailer.broadcast.audience import OfTenant
from loudhailer.cells.model import DeclaredCell
from loudhailer.ids import HUB, CellName, SessionId
from tests.support.broadcasts import NORTH, TENANT
from tests.unit.aws import sdk_wire

SETTINGS = Settings(
    tenants_table="tenants",
    sessions_table="sessions",
    places_table="places",
    limits_table="limits",
    broadcasts_table="broadcasts",
    websocket_url="wss://abcdefghij.execute-api.eu-west-1.amazonaws.com/live",
    spread_sessions=True,
    list_tenants=False,
    silo_tenants=(),
    session_auth="iam",
    tenant_claim="tenantId",
    shortest_session_id=22,
    connects_per_second=500,
    connects_reserve=0.03,
    cells={NORTH: DeclaredCell(NORTH, "444444444444", "north-1", "us-east-2", 1.0)},
    cells_table="cells",
    placements_table="placements",
    cell_role_arn="arn:aws:iam::{accountId}:role/loudhailer-test/loudhailer-test-hub",
)


class CellWire:
    """Answers as STS and DynamoDB do, and keeps what was asked."""

    def __init__(self) -> None:
        self.assumed: list[dict[str, str]] = []
        self.read: list[tuple[str, str]] = []

    def answer(self, request: AWSPreparedRequest) -> AWSResponse:
        """One answer."""
        if "//dynamodb." in str(request.url):
            key = re.findall("Credential=([^/]+)/", sdk_wire.text(request.headers["Authorization"]))[0]
            self.read.append((key, str(request.url)))
            return sdk_wire.response(request, 200, '{"Items": [], "Responses": {}}')
        self.assumed.append({name: values[0] for name, values in parse_qs(sdk_wire.text(request.body)).items()})
        return sdk_wire.assumed(request, "NORTH", timedelta(hours=1))


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> CellWire:
    """The other end of every connection of the SDK, for a function that has credentials and a Region."""
    for name, value in sdk_wire.FUNCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    # The SDK's session keeps credentials: this one is not for other tests.
    monkeypatch.setattr(clients, "_session", cache(clients._session.__wrapped__))
    end = CellWire()
    monkeypatch.setattr(URLLib3Session, "send", lambda _, request: end.answer(request))
    return end


def test_the_sessions_of_a_cell_are_read_with_the_hubs_role_in_its_account(wire: CellWire) -> None:
    """In the cell's Region; the role is assumed at the first use, and once. The hub's own are read by the function."""
    several = placing(SETTINGS, clients.client("dynamodb"), clock=time.time)
    assert isinstance(several, SeveralCells)
    assert wire.assumed == []
    for cell in (NORTH, NORTH, HUB):
        assert several._stores(cell).sessions.get(TENANT, SessionId("s1")) is None
    (request,) = wire.assumed
    assert request["RoleArn"] == "arn:aws:iam::444444444444:role/loudhailer-test/loudhailer-test-hub"
    assert (request["ExternalId"], request["RoleSessionName"]) == ("north-1", "session_api")
    there = ("ASIA-NORTH", "https://dynamodb.us-east-2.amazonaws.com/")
    assert set(wire.read[:-2]) == {there}
    assert set(wire.read[-2:]) == {("ASIA-FUNCTION", "https://dynamodb.eu-west-1.amazonaws.com/")}


def test_a_hub_without_further_cells_assumes_no_role(wire: CellWire) -> None:
    """Nor does it read where sessions are."""
    nothing: dict[CellName, DeclaredCell] = {}
    for cells in (None, nothing):
        one = placing(replace(SETTINGS, cells=cells), clients.client("dynamodb"), clock=time.time)
        assert isinstance(one, OneCell)
    assert (wire.assumed, wire.read) == ([], [])


def test_publish_reads_cells_only_if_some_are_declared(wire: CellWire) -> None:
    """Without any it reads nothing."""
    settings = PublishSettings(
        tenants_table="tenants",
        partitions_table="partitions",
        audiences_table="audiences",
        connections_table="connections",
        members_table="members",
        channels_enabled=True,
        sessions_table="sessions",
        devices_table="devices",
        express_queue_url="https://sqs.eu-west-1.amazonaws.com/111111111111/express",
        express_recipients=500,
        callback_endpoint="https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/live",
        posts_per_second=9_800,
        lane_count=4,
        chunk_size=500,
        broadcasts_table="broadcasts",
        broadcast_topic_arn="arn:aws:sns:eu-west-1:111111111111:broadcast",
        broadcast_keys=16,
        message_lifetime_seconds=300,
        cells=SETTINGS.cells,
        cells_table="cells",
        placements_table="placements",
    )
    client = clients.client("dynamodb")
    assert publish_tables.further_cells(replace(settings, cells=None), client) is None
    further = publish_tables.further_cells(settings, client)
    assert further is not None
    assert wire.read == []
    assert further.of(OfTenant(TENANT)) == {}
    assert [key for key, _ in wire.read] == ["ASIA-FUNCTION"]


def test_the_page_reads_the_leases_with_its_functions_credentials(wire: CellWire) -> None:
    """A cell without a lease may have any host of its Region."""
    hosts = console_tables.cell_hosts("cells", {NORTH: "us-east-2"}, SETTINGS.websocket_url)
    assert hosts() == ["wss://*.execute-api.us-east-2.amazonaws.com"]
    assert wire.assumed == []
    assert {credentials for credentials, _ in wire.read} == {"ASIA-FUNCTION"}


def test_a_silent_line_lets_clients_in_before_the_function_gives_up() -> None:
    """It may be silent once: after that, the client is let in. The function has ten seconds for its other calls too."""
    assert LINE_ATTEMPTS * LINE_SECONDS <= 3
