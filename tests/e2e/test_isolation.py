"""A function's work for a tenant reaches that tenant's rows and no others, whatever its code asks for.

IAM is enforced by the local AWS, and Terraform made the roles.
"""

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pytest

from loudhailer.aws.tenant_credentials import PerTenant
from loudhailer.ids import TenantId
from tests.e2e.grants import (
    CALLS,
    LEADING_KEYS,
    SEVERAL_KEYS,
    Grant,
    GrantsAccount,
    TablePlace,
    TenantRole,
    allowed,
    reaches,
)
from tests.e2e.system import System
from tools.stack.local_aws import REGION

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

A = TenantId("a")
OTHERS = ("b", "ab", "a-b", "a_", "A")
"""Others, some of whose ids begin with that of `a`."""

FOR_ALL_TENANTS = {
    "accounting-members",  # as accounting
    "accounting",  # a batch of changes is of many tenants
    "authorizer",  # decides who the tenant is
    "connect",  # has its keys from the authorizer, and would ask STS too often
    "console",  # has no data
    "disconnect",  # as connect
    "leave_channels",  # has its keys from streams and rows, and would ask STS too often
    "post_message",  # has ids of connections, and no table
    "post_message-rooms",  # as that
    "post_message-express",  # as that
    "publish",  # broadcasts to everyone
    "query",  # finds the recipients of any broadcast
    "reconcile",  # sweeps all tenants
    "reconcile-members",  # as reconcile
    "session_api",  # decides who the tenant is
    "settle",  # deletes what a broadcast found gone
    "swarm",  # divides the partitions of all tenants
}

TENANT_A = {"Key": "tenantId", "Value": "a"}


class Function:
    """A function that acts for one tenant, as far as its credentials go."""

    def __init__(self, account: GrantsAccount, role: TenantRole) -> None:
        self.role = role
        self.itself = account.credentials_of(role.function_role)
        with pytest.MonkeyPatch.context() as environment:
            for name, value in self.itself.items():
                environment.setenv(name.upper(), value)
            self._clients: PerTenant[DynamoDBClient] = PerTenant(lambda make: make("dynamodb"), role_arn=role.arn)

    @property
    def grants(self) -> tuple[Grant, ...]:
        """Actions that it may take for one tenant."""
        return self.role.grants

    @cached_property
    def as_a(self) -> "DynamoDBClient":
        """Its client for tenant a."""
        return self._clients.of(A)


@pytest.fixture(scope="module")
def account(system: System) -> GrantsAccount:
    """The account that the stack is in."""
    return GrantsAccount(system)


@pytest.fixture(scope="module")
def functions(account: GrantsAccount) -> Iterator[list[Function]]:
    """All functions that act for one tenant; there is one at least."""
    with pytest.MonkeyPatch.context() as environment:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            environment.delenv(name)
        environment.setenv("AWS_ENDPOINT_URL", account.endpoint)
        environment.setenv("AWS_DEFAULT_REGION", REGION)
        found = [Function(account, role) for role in account.tenant_roles()]
        assert found
        yield found


def keys(place: TablePlace, tenant: str) -> list[str]:
    """The partition keys of a tenant's rows."""
    return [pattern.format(tenant) for pattern in LEADING_KEYS[place.name]]


def test_every_function_is_listed_as_acting_for_one_tenant_or_for_all(
    system: System, functions: list[Function]
) -> None:
    """A new one must say which it is."""
    roles = {function.role.function_role.rpartition("/")[2] for function in functions}
    of_one = {name for name, role in system.deployment.functions.items() if role in roles}
    assert of_one | FOR_ALL_TENANTS == set(system.deployment.functions)
    assert not of_one & FOR_ALL_TENANTS


def test_every_grant_reaches_the_tenants_own_rows(functions: list[Function]) -> None:
    """No function is refused an action of its own work."""
    refused = [
        f"{grant} {key}"
        for function in functions
        for grant in function.grants
        for key in keys(grant.place, A)
        if not reaches(function.as_a, grant, key)
    ]
    assert refused == []


def test_no_grant_reaches_the_rows_of_another_tenant(functions: list[Function]) -> None:
    """Nor those of one whose id begins with the tenant's."""
    reached = [
        f"{grant} {key}"
        for function in functions
        for grant in function.grants
        for other in OTHERS
        for key in keys(grant.place, other)
        if reaches(function.as_a, grant, key)
    ]
    assert reached == []


def test_no_batch_reaches_the_rows_of_two_tenants(functions: list[Function]) -> None:
    """One foreign row among the tenant's own is enough."""
    batches = [(function, grant) for function in functions for grant in function.grants if grant.action in SEVERAL_KEYS]
    reached = [
        str(grant)
        for function, grant in batches
        if reaches(function.as_a, grant, keys(grant.place, A)[0], keys(grant.place, "ab")[0])
    ]
    assert batches
    assert reached == []


def test_tenant_credentials_do_not_reach_the_tenants_total(functions: list[Function]) -> None:
    """A function that counts minutes may not change what `connect` reserves."""
    grants = [(function, grant) for function in functions for grant in function.grants if grant.place.name == "limits"]
    assert grants
    assert [str(grant) for function, grant in grants if reaches(function.as_a, grant, A)] == []


@pytest.mark.parametrize("function", ["connect", "disconnect"])
def test_a_function_without_a_tenants_role_finds_no_keys(account: GrantsAccount, system: System, function: str) -> None:
    """It reaches rows by keys that it is given: it may neither scan nor query any table, and assumes no role."""
    name = system.deployment.functions[function]
    (function_role,) = (role for role in account.function_roles() if role.endswith(f"/{name}"))
    itself = account.credentials_of(function_role)
    client = account.client("dynamodb", itself)
    found = [
        place.name
        for place in account.places.values()
        if allowed(client.scan, **place.address) or reaches(client, Grant(function, "Query", place), A)
    ]
    assert found == []
    assert not [role.arn for role in account.tenant_roles() if account.assumes(itself, role.arn, **as_tenant("a"))]


def test_a_functions_own_role_reaches_no_tenants_rows(account: GrantsAccount, functions: list[Function]) -> None:
    """Without a tenant, no access: not even to actions that are allowed for each single tenant."""
    reached = [
        str(grant)
        for function in functions
        for grant in function.grants
        if reaches(account.client("dynamodb", function.itself), grant, keys(grant.place, A)[0])
    ]
    assert reached == []


def test_tenant_credentials_cannot_scan(account: GrantsAccount, functions: list[Function]) -> None:
    """A scan has no leading key."""
    scanned = [
        f"{function.role.arn} {place.name}"
        for function in functions
        for place in account.places.values()
        if allowed(function.as_a.scan, **place.address)
    ]
    assert scanned == []


@pytest.mark.parametrize("table", ["broadcasts", "lanes", "partitions", "tenants"])
def test_tenant_credentials_reach_no_system_table(
    account: GrantsAccount, functions: list[Function], table: str
) -> None:
    """A broadcast is nobody's row; a tenant neither counts itself nor sets its own limits."""
    (place,) = (place for place in account.places.values() if place.name == table)
    reached = [
        str(grant)
        for function in functions
        for action in CALLS
        if reaches(function.as_a, grant := Grant(function.role.arn, action, place), A)
    ]
    assert reached == []


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {"Tags": [{"Key": "tenantId", "Value": ""}], "TransitiveTagKeys": ["tenantId"]},
        {"Tags": [{"Key": "tenantId", "Value": "*"}], "TransitiveTagKeys": ["tenantId"]},
        {"Tags": [{"Key": "tenant", "Value": "a"}], "TransitiveTagKeys": ["tenant"]},
        {"Tags": [TENANT_A, {"Key": "admin", "Value": "yes"}], "TransitiveTagKeys": ["tenantId"]},
        {"Tags": [TENANT_A]},
    ],
    ids=["no tag", "an empty tag", "a wildcard", "another tag", "a tag too many", "a tag that does not go on"],
)
def test_assume_role_fails_without_a_transitive_tenant_tag(
    account: GrantsAccount, functions: list[Function], tags: dict[str, Any]
) -> None:
    """Not even by its own function."""
    assumed = [
        function.role.arn for function in functions if account.assumes(function.itself, function.role.arn, **tags)
    ]
    assert assumed == []


def test_a_tenants_role_is_assumed_by_its_own_function_alone(account: GrantsAccount, functions: list[Function]) -> None:
    """No function borrows another one's permissions."""
    assumed = {
        (role, function.role.arn)
        for role in account.function_roles()
        for function in functions
        if account.assumes(account.credentials_of(role), function.role.arn, **as_tenant("a"))
    }
    assert assumed == {(function.role.function_role, function.role.arn) for function in functions}


def test_a_tenants_role_session_cannot_become_another_tenants(
    account: GrantsAccount, functions: list[Function]
) -> None:
    """No tenant's role lets it in, neither its own nor that of another function."""
    assumed = [
        (function.role.arn, other.role.arn)
        for function in functions
        for session in [account.session(function.itself, function.role.arn, **as_tenant("a"))]
        for other in functions
        if account.assumes(session, other.role.arn, **as_tenant("b"))
    ]
    assert assumed == []


def as_tenant(tenant: str) -> Mapping[str, Any]:
    """Request that assumes a role for a tenant."""
    return {"Tags": [{"Key": "tenantId", "Value": tenant}], "TransitiveTagKeys": ["tenantId"]}
