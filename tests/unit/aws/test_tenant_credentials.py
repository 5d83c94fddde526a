"""Tenants' clients, on a wire that ends in this process."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session

from loudhailer.aws import tenant_credentials as scope
from loudhailer.aws.errors import calling
from loudhailer.aws.tenant_credentials import PerTenant
from loudhailer.errors import TransientError
from loudhailer.ids import TenantId
from tests.unit.aws import sdk_wire

ACME, BIRD = TenantId("acme"), TenantId("bird")
ROLE = "arn:aws:iam::111111111111:role/loudhailer-test-connect-tenant"


class Wire:
    """Answers as STS and DynamoDB do, and keeps the requests."""

    def __init__(self) -> None:
        self.assumed: list[dict[str, str]] = []
        self.sts_hosts: set[str] = set()
        self.calls: list[tuple[str, str]] = []
        self.pools: set[int] = set()
        self.lifetime = timedelta(hours=1)
        self.refuses = False

    @property
    def signed_by(self) -> list[str]:
        """The access keys of the calls of DynamoDB, in their order."""
        return [key for _, key in self.calls]

    def answer(self, pool: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        """One answer."""
        self.pools.add(id(pool))
        host = re.sub("https://([^/]+)/.*", r"\1", str(request.url))
        key = re.findall("Credential=([^/]+)/", sdk_wire.text(request.headers["Authorization"]))[0]
        if not host.startswith("sts"):
            self.calls.append((json.loads(sdk_wire.text(request.body))["TableName"], key))
            return sdk_wire.response(request, 200, "{}")
        self.sts_hosts.add(host)
        if self.refuses:
            return sdk_wire.refused(request)
        asked = {name: values[0] for name, values in parse_qs(sdk_wire.text(request.body)).items()}
        self.assumed.append(asked)
        return sdk_wire.assumed(request, f"{asked['Tags.member.1.Value']}-{len(self.assumed)}", self.lifetime)


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Wire:
    """The other end of every connection of the SDK, for a function that has credentials and a Region."""
    for name, value in sdk_wire.FUNCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    end = Wire()

    def send(pool: URLLib3Session, request: AWSPreparedRequest) -> AWSResponse:
        return end.answer(pool, request)

    monkeypatch.setattr(URLLib3Session, "send", send)
    return end


def _clients() -> PerTenant[Any]:
    return PerTenant(lambda client: client("dynamodb"), role_arn=ROLE)


def _read(client: Any, table: str = "sessions") -> None:
    with calling("GetItem"):
        client.get_item(TableName=table, Key={"tenantId": {"S": "acme"}})


def test_the_role_is_assumed_with_the_tenant_as_a_transitive_tag(wire: Wire) -> None:
    """So the tenant is in every later request, and no further role can be assumed with another one."""
    _read(_clients().of(ACME))
    assert wire.assumed == [
        {
            "Action": "AssumeRole",
            "Version": "2011-06-15",
            "RoleArn": ROLE,
            "RoleSessionName": "tenant-acme",
            "Tags.member.1.Key": "tenantId",
            "Tags.member.1.Value": "acme",
            "TransitiveTagKeys.member.1": "tenantId",
        }
    ]


def test_sts_is_called_in_the_functions_own_region(wire: Wire) -> None:
    """The global endpoint is in one Region, far from most functions, and fails with it."""
    _read(_clients().of(ACME))
    assert wire.sts_hosts == {"sts.eu-west-1.amazonaws.com"}


def test_each_tenants_calls_are_signed_with_its_own_credentials(wire: Wire) -> None:
    """Whichever client was made last."""
    clients = _clients()
    acme, bird = clients.of(ACME), clients.of(BIRD)
    for client in (acme, bird, acme):
        _read(client)
    assert wire.signed_by == ["ASIA-acme-1", "ASIA-bird-2", "ASIA-acme-1"]


def test_a_tenant_keeps_its_clients_and_credentials(wire: Wire) -> None:
    """They are asked for once."""
    clients = _clients()
    for _ in range(3):
        _read(clients.of(ACME))
    assert len(wire.assumed) == 1


def test_credentials_are_renewed_before_they_expire(wire: Wire) -> None:
    """Some minutes are left of the first ones when the next call asks for new ones."""
    client = _clients().of(ACME)
    wire.lifetime = timedelta(minutes=5)
    _read(client)
    wire.lifetime = timedelta(hours=1)
    _read(client)
    _read(client)
    first, second, third = wire.signed_by
    assert first != second == third


def test_no_role_is_assumed_before_a_tenants_first_call(wire: Wire) -> None:
    """A function starts, and a tenant's clients are made, without a call."""
    _clients().of(ACME)
    assert not wire.assumed
    assert not wire.signed_by


def test_a_refused_role_is_a_transient_error_of_the_call(wire: Wire) -> None:
    """Adapters need not know where credentials come from; the text says that it was not their own call."""
    wire.refuses = True
    with pytest.raises(TransientError, match="AssumeRole failed"):
        _read(_clients().of(ACME))
    assert not wire.signed_by


def test_all_clients_share_one_pool_of_connections(wire: Wire) -> None:
    """A further tenant costs no TLS handshake, neither with STS nor with DynamoDB."""
    clients = _clients()
    for tenant in (ACME, BIRD):
        _read(clients.of(tenant))
    assert len(wire.pools) == 1


def test_the_most_recently_used_tenants_are_kept(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: the objects that were unused longest are made again."""
    monkeypatch.setattr(scope, "_TENANTS", 2)
    clients = _clients()
    acme, bird = clients.of(ACME), clients.of(BIRD)
    assert clients.of(ACME) is acme
    clients.of(TenantId("cat"))
    assert clients.of(ACME) is acme
    assert clients.of(BIRD) is not bird
    assert not wire.assumed


def test_a_thousand_tenants_are_assumed_once_each(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials are kept for more tenants than clients are; before, a thousand in turn were assumed at every call."""
    monkeypatch.setattr(scope, "_TENANTS", 2)
    clients = _clients()
    tenants = [TenantId(f"t{number}") for number in range(10)] * 3
    for tenant in tenants:
        _read(clients.of(tenant))
    assert len(wire.assumed) == 10
    assert scope.KEPT_CREDENTIALS > 1_000


def test_the_credentials_that_are_kept_are_bounded(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenant that was not used for longest is assumed again."""
    monkeypatch.setattr(scope, "_TENANTS", 1)
    monkeypatch.setattr(scope, "KEPT_CREDENTIALS", 2)
    clients = _clients()
    for tenant in (ACME, BIRD, TenantId("cat"), BIRD, ACME):
        _read(clients.of(tenant))
    assert [one["Tags.member.1.Value"] for one in wire.assumed] == ["acme", "bird", "cat", "acme"]


@pytest.mark.parametrize("tenant", ["a", "_", "a" * 64])
def test_the_sessions_name_is_legal_for_every_tenant(wire: Wire, tenant: str) -> None:
    """STS wants 2 to 64 characters; the tag has the tenant's whole id."""
    _read(_clients().of(TenantId(tenant)))
    assert re.fullmatch(r"[\w+=,.@-]{2,64}", wire.assumed[0]["RoleSessionName"])
    assert wire.assumed[0]["Tags.member.1.Value"] == tenant


def test_threads_do_not_take_each_others_credentials(wire: Wire) -> None:
    """Clients are made side by side, and each signs as its tenant."""
    clients = _clients()
    tenants = [TenantId(f"t{number}") for number in range(24)]

    def use(tenant: TenantId) -> None:
        _read(clients.of(tenant), table=tenant)

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(use, tenants):
            pass
    assert {table: key.rpartition("-")[0] for table, key in wire.calls} == {t: f"ASIA-{t}" for t in tenants}
    assert len(wire.assumed) == len(tenants)


def test_a_client_that_cannot_be_built_fails_at_init(wire: Wire) -> None:
    """A function with a mistake in its wiring fails at init, not at its first tenant."""
    with pytest.raises(KeyError):
        PerTenant(lambda client: {"client": client("dynamodb")}["other"], role_arn=ROLE)
    assert not wire.assumed
