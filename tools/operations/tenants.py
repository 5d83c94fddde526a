"""The tenants that an operator puts, and the three sample tenants of a fresh local stack."""

import secrets
from dataclasses import dataclass, replace

from loudhailer.ids import TenantId
from loudhailer.tenants.model import MOST_CHANNELS_PER_CONNECTION, Tenant
from loudhailer.tenants.port import TenantStore
from tools.errors import OperatorError
from tools.operations.channels import ChannelsChange

SYNTHETIC_ID = TenantId("synthetic")
"""The id of the tenant of health checks; with further cells there are `synthetic-<cell>-<number>`. CI writes them."""

_LARGEST = 1_000_000_000
_NEW = Tenant(
    tenant_id=TenantId("new"),
    tenant_connections=1_000,
    connections_per_session=10,
    tenant_per_minute=600,
    session_per_minute=60,
    messages_per_minute=600,
    session_seconds=300,
)

SAMPLE_TENANTS = (
    Tenant(
        tenant_id=TenantId("bronze"),
        tenant_per_minute=60,
        session_per_minute=5,
        connections_per_session=2,
        tenant_connections=10,
        session_seconds=200,
        messages_per_minute=60,
    ),
    Tenant(
        tenant_id=TenantId("silver"),
        tenant_per_minute=120,
        session_per_minute=10,
        connections_per_session=5,
        tenant_connections=100,
        session_seconds=300,
        messages_per_minute=600,
    ),
    Tenant(
        tenant_id=TenantId("gold"),
        tenant_per_minute=180,
        session_per_minute=30,
        connections_per_session=10,
        tenant_connections=1_000,
        session_seconds=300,
        messages_per_minute=6_000,
    ),
)


@dataclass(frozen=True)
class TenantChange:
    """Changes of a tenant; None leaves a field as it is, or at its default for a new tenant."""

    tenant_connections: int | None = None
    connections_per_session: int | None = None
    tenant_per_minute: int | None = None
    session_per_minute: int | None = None
    messages_per_minute: int | None = None
    session_seconds: int | None = None
    tenant_sessions: int | None = None
    posts_per_minute: int | None = None
    channels_per_connection: int | None = None
    session_key: str | None = None
    channels: ChannelsChange | None = None

    def applied_to(self, tenant: TenantId, existing: Tenant | None) -> Tenant:
        """The tenant as it is to be; OperatorError, listing every limit that is malformed, if it can't be."""
        changes = {name: value for name, value in vars(self).items() if value is not None}
        former = existing or keyed(replace(_NEW, tenant_id=tenant))
        if self.channels is not None:
            changes["channels"] = self.channels.after(former.channels)
        changed = replace(former, **changes)
        if problems := _problems(changed):
            raise OperatorError(f"Tenant {tenant} can't have these limits: {'; '.join(problems)}.")
        return changed


def new_session_key() -> str:
    """A fresh key that hides the ids of a tenant's sessions: 256 random bits."""
    return secrets.token_urlsafe(32)


def keyed(tenant: Tenant) -> Tenant:
    """The tenant with a key for its sessions' ids; its own, if it has one."""
    return tenant if tenant.session_key else replace(tenant, session_key=new_session_key())


def put(
    tenants: TenantStore, change: TenantChange, tenant: TenantId, *, now: float, rest_seconds: int, at_once: bool
) -> Tenant:
    """Make or change a tenant, and return it; OperatorError if the id still belongs to one that is erased.

    The id of an erased tenant rests for so many seconds, see `Deployment.rest_seconds`; `at_once` does without.
    """
    existing = tenants.get(tenant)
    if existing is None and (tenant == SYNTHETIC_ID or tenant.startswith(f"{SYNTHETIC_ID}-")):
        raise OperatorError(
            f"The ids {SYNTHETIC_ID} and {SYNTHETIC_ID}-… are those of health checks, which make their tenants.",
            "Choose another id.",
        )
    wanted = change.applied_to(tenant, existing)
    if tenants.put(wanted, erased_before=None if at_once else int(now) - rest_seconds):
        return wanted
    erased_at = {stone.tenant_id: stone.erased_at for stone in tenants.tombstones()}.get(tenant)
    if erased_at is None:
        raise OperatorError(
            f"Tenant {tenant} is being erased.", f"Complete that with `loudhailer tenant delete {tenant}`."
        )
    seconds = erased_at + rest_seconds - int(now)
    raise OperatorError(
        f"A tenant {tenant} was erased a moment ago, and broadcasts to it may still be on their way.",
        f"Wait {seconds} s, choose another id, or use this one with --at-once.",
    )


def _problems(tenant: Tenant) -> list[str]:
    limits = {name: value for name, value in tenant.to_wire().items() if type(value) is int}
    if tenant.posts_per_minute is None:
        del limits["postsPerMinute"]  # it follows from the messages
    problems = [
        f"{name} is {value}, must be 1 to {_LARGEST}" for name, value in limits.items() if not 1 <= value <= _LARGEST
    ]
    if tenant.channels_per_connection > MOST_CHANNELS_PER_CONNECTION:
        problems.append(f"channelsPerConnection is more than {MOST_CHANNELS_PER_CONNECTION}")
    if tenant.connections_per_session > tenant.tenant_connections:
        problems.append("connectionsPerSession is more than tenantConnections")
    if tenant.session_per_minute > tenant.tenant_per_minute:
        problems.append("sessionPerMinute is more than tenantPerMinute")
    return problems


def require_silo(tenant: TenantId, *, wanted: bool | None, has_silo: bool) -> None:
    """OperatorError if a silo is wanted of a tenant that has none, or none of one that has: Terraform decides."""
    if wanted is None or wanted == has_silo:
        return
    has, change = ("has no silo", "Add it to") if wanted else ("has a silo", "Take it out of")
    raise OperatorError(
        f"Tenant {tenant} {has}: the queue is made by Terraform, not by `tenant put`.",
        f"{change} `messaging.silo_tenants` in terraform/environments/<environment>/hub.tfvars, and apply; for the "
        "local stack, that is `loudhailer up`.",
    )
