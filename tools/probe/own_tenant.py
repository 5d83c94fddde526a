"""The tenant of the probe's own in a deployment: put for a run, and erased after it."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from tools.client.http import HttpApi, Sign
from tools.client.socket import socket_url
from tools.errors import OperatorError
from tools.interruptions import undisturbed
from tools.operations.erasing import Erasing, Stores
from tools.operations.tenants import keyed
from tools.stack.deployment import Deployment

TENANT = Tenant(
    tenant_id=TenantId("loudhailer-probe"),
    tenant_connections=100,
    connections_per_session=1,
    tenant_per_minute=1_000,
    session_per_minute=10,
    messages_per_minute=10_000,
    session_seconds=600,
)
"""A session of it has one connection, so that a second one is refused."""

_QUIET_SECONDS = 0.0
"""Nobody but the probe knows the tenant, and every call of the probe has been answered when it erases the tenant."""


@dataclass(frozen=True)
class OwnTenant:
    """The tenant's sessions and rows, by the deployment's own API and tables."""

    deployment: Deployment
    api: HttpApi

    async def session_url(self) -> str:
        """The URL of a new session, which a client connects to."""
        session = str(uuid.uuid4())
        url = await self.api.open_session(TENANT.tenant_id, session)
        return socket_url(url, tenantId=TENANT.tenant_id, sessionId=session)

    def connections(self) -> list[str]:
        """The ids of the connections that have a row."""
        return [
            connection
            for row in self.deployment.partitions.of(TENANT.tenant_id)
            for page in self.deployment.connections.in_partition(row.partition, after=None, not_expired_at=0)
            for connection, _ in page
        ]


@contextmanager
def own_tenant(deployment: Deployment, sign: Sign) -> Iterator[OwnTenant]:
    """Put the tenant for the block, and erase it in the end.

    Raises:
        OperatorError: there is one already.
    """
    if not absent(deployment):
        raise OperatorError(
            f"There is a tenant {TENANT.tenant_id} already: another probe is at work here, or one was killed.",
            "Wait for it, or remove what it left with --remove.",
        )
    deployment.tenants.put(keyed(TENANT))
    try:
        yield OwnTenant(deployment, HttpApi(deployment.http_url, sign))
    finally:
        with undisturbed():
            erase(deployment)


def absent(deployment: Deployment) -> bool:
    """Tell whether there is neither the tenant nor a half-erased rest of it."""
    stones = deployment.tenants.tombstones()
    half_erased = any(stone.tenant_id == TENANT.tenant_id and stone.erased_at is None for stone in stones)
    return not half_erased and deployment.tenants.get(TENANT.tenant_id) is None


def erase(deployment: Deployment) -> None:
    """Erase the tenant and all that it has."""
    Erasing(Stores.of(deployment), TENANT.tenant_id, quiet_seconds=_QUIET_SECONDS)()
