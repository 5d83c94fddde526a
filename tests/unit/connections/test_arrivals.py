"""Units that the arrivals of one tenant take of each partition key, by the calls of the shipped adapters."""

from collections import Counter
from random import Random
from typing import Any

from functions.connections.authorizer.authorizer import Authorizer
from functions.connections.connect.connect import Connect
from functions.connections.connect.dynamodb import DynamoRegister
from functions.sessions.session_api.placing import CellStores, OneCell
from functions.sessions.session_api.session_api import SessionApi
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.ids import TenantId
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant
from tests.support.broadcasts import ENDPOINT
from tests.support.dynamodb.engine import Engine, EngineClient, EngineRequest, Table
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.snapshots import MemorySnapshotStore
from tests.support.tables import KEYS

ARRIVALS = 200
ARRIVALS_A_SECOND = 500
"""New connections of an account: https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""

UNITS_OF_A_KEY = {"writes": 1_000, "reads": 3_000}
"""https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"""

NOW = 1_000
ACME = Tenant(
    TenantId("acme"),
    tenant_connections=ARRIVALS,
    connections_per_session=1,
    tenant_per_minute=10_000,
    session_per_minute=5,
    messages_per_minute=60,
    session_seconds=3_600,
    session_key="a key",
)


class Handshakes:
    """The handshakes of many clients, on tables that count the units of each key."""

    def __init__(self) -> None:
        self.units: Counter[tuple[str, str, str]] = Counter()
        self._tables = Engine([Table(name, keys) for name, keys in KEYS.items()])
        client: Any = EngineClient(self._carry_out)
        tenants, sessions = DynamoTenantStore(client, "tenants"), DynamoSessionStore(client, "sessions")
        partitions = DynamoPartitionStore(client, "partitions")
        random = Random(0)  # noqa: S311  # a test repeats itself
        tenants.put(ACME)
        self.session_api = SessionApi(
            tenants,
            OneCell(
                CellStores(sessions=sessions, places=DynamoPlaceStore(client, "places")), "wss://example.test/live"
            ),
            MemoryBroadcastStore(),
            MemorySnapshotStore(),
            list_tenants=False,
            silo_tenants=(),
            needs_token=False,
            tenant_claim="tenantId",
            shortest_session_id=1,
            report_grace_seconds=180,
            clock=lambda: NOW,
        )
        self.authorizer = Authorizer(
            CachedTenants(tenants, clock=lambda: NOW),
            sessions,
            PartitionAssigner(
                partitions, executor=AtOnce(), capacity=1_000, maximum=10, clock=lambda: NOW, random=random
            ),
            lambda tenant: tenant,
            clock=lambda: NOW,
        )
        self.connect = Connect(
            DynamoLimitStore(client, "limits", pause=lambda _: None),
            DynamoRegister(client, "connections", "sessions", "devices"),
            DynamoConnectionStore(client, "connections"),
            sessions,
            MemoryOrderedSender(),
            endpoint=ENDPOINT,
            session_share=1.0,
            clock=lambda: NOW,
            pause=lambda _: None,
            random=random,
        )

    def arrive(self, name: str) -> None:
        """A client makes its session and connects."""
        query = {"tenantId": ACME.tenant_id, "sessionId": name}
        request = {"routeKey": "PUT /session", "queryStringParameters": query}
        assert self.session_api(request)["statusCode"] == 200
        arn = "arn:aws:execute-api:us-east-1:111111111111:abcdefghij/live/$connect"
        context = self.authorizer({"queryStringParameters": query, "methodArn": arn})["context"]
        handshake = {"authorizer": {key: str(value) for key, value in context.items()}, "connectionId": f"{name}="}
        assert self.connect({"requestContext": handshake}, Deadline.after(0, lambda: NOW))["statusCode"] == 200

    def _carry_out(self, operation: str, request: EngineRequest) -> Any:
        for write in (one for action in request.get("TransactItems", ()) for one in action.values()):
            self._note("writes", write, 2)
        if operation in {"put_item", "update_item", "delete_item"}:
            self._note("writes", request, 1)
        if operation == "get_item":
            self._note("reads", request, 1)
        return self._tables.carry_out(operation, request)

    def _note(self, kind: str, request: EngineRequest, units: int) -> None:
        table = self._tables.tables[request["TableName"]]
        (key, _) = table.key(request.get("Key") or request["Item"])
        self.units[kind, table.name, key] += units


def test_one_tenant_can_use_the_arrival_rate_of_the_account() -> None:
    """No key gets more than DynamoDB takes; before, the tenant's sessions had one, which took 333 arrivals a second."""
    handshakes = Handshakes()
    for number in range(ARRIVALS):
        handshakes.arrive(f"session-{number}")
    a_second = {key: units * ARRIVALS_A_SECOND / ARRIVALS for key, units in handshakes.units.items()}
    assert {key: units for key, units in a_second.items() if units > UNITS_OF_A_KEY[key[0]]} == {}
    written = sum(units for (kind, table, _), units in a_second.items() if (kind, table) == ("writes", "sessions"))
    assert written / ARRIVALS_A_SECOND >= 3, "an arrival takes three units of its tenant's sessions"
