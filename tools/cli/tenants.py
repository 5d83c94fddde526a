"""`loudhailer tenant`."""

import time
from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from loudhailer import codec, ids
from loudhailer.tenants.model import Tenant
from tools.cli.options import number_option
from tools.cli.workplace import Workplace
from tools.operations.cells import cells_without_tenants
from tools.operations.channels import ChannelsChange
from tools.operations.erasing import Erasing, Stores
from tools.operations.tenants import SAMPLE_TENANTS, TenantChange, new_session_key, put, require_silo
from tools.stack.deployment import Deployment

_CELLS_SECONDS = 30.0

tenant_app = typer.Typer(add_completion=False, no_args_is_help=True, help="List, put and delete tenants.")


@tenant_app.command("list")
def list_tenants(context: typer.Context) -> None:
    """Show all tenants and their limits."""
    workplace = Workplace.of(context)
    deployment = workplace.deployment()
    tenants = deployment.tenants
    workplace.terminal.show(_limits(deployment, tenants.all_tenants()))
    for stone in tenants.tombstones():
        if stone.erased_at is None:
            key = stone.tenant_id
            workplace.terminal.say(
                f"Tenant {key} is being erased; complete that with `loudhailer tenant delete {key}`."
            )


def _limits(deployment: Deployment, tenants: Iterable[Tenant]) -> Table:
    """The limits and settings of tenants, a row each."""
    table = Table(*SAMPLE_TENANTS[0].to_wire(), "silo")
    for tenant in tenants:
        shown = {**tenant.to_wire(), "channels": codec.encode_text(tenant.to_wire()["channels"])}
        table.add_row(*map(str, shown.values()), str(deployment.has_silo(tenant.tenant_id)))
    return table


@tenant_app.command("put")
def put_tenant(
    context: typer.Context,
    tenant: str,
    *,
    tenant_connections: Annotated[int | None, number_option("Connections of all its sessions together.")] = None,
    connections_per_session: Annotated[int | None, number_option("Connections of one session.")] = None,
    tenant_per_minute: Annotated[int | None, number_option("Attempts to connect, of all its sessions.")] = None,
    session_per_minute: Annotated[int | None, number_option("Attempts to connect, of one session.")] = None,
    messages_per_minute: Annotated[int | None, number_option("Messages.")] = None,
    tenant_sessions: Annotated[int | None, number_option("Sessions that live at the same time.")] = None,
    posts_per_minute: Annotated[
        int | None, number_option("Posts that messages to rooms may cause; by default 100 a message.")
    ] = None,
    channels_per_connection: Annotated[int | None, number_option("Channels that a connection subscribes to.")] = None,
    channels: Annotated[
        str | None,
        typer.Option(
            metavar="JSON",
            help='Settings of channels in place of all former ones: [{"pattern":"news/*","history":{"messages":1000,'
            '"seconds":86400}}]. The first pattern that matches counts; [] for none. Kept for a coming release: no '
            "function uses them yet.",
        ),
    ] = None,
    session_ttl: Annotated[int | None, number_option("Seconds that an idle session lives.")] = None,
    silo: Annotated[bool | None, typer.Option(help="Only if Terraform has made it a queue of its own, or not.")] = None,
    session_key: Annotated[
        bool,
        typer.Option(
            "--new-session-key", help="Hide the ids of sessions by a new key: clients must put their sessions again."
        ),
    ] = False,
    at_once: Annotated[
        bool,
        typer.Option(
            "--at-once",
            help="Use the id of a tenant that was just erased, though broadcasts to it may be on their way.",
        ),
    ] = False,
) -> None:
    """Make a tenant, or change the limits and settings that are named; show all of them."""
    workplace = Workplace.of(context)
    change = TenantChange(
        tenant_connections=tenant_connections,
        connections_per_session=connections_per_session,
        tenant_per_minute=tenant_per_minute,
        session_per_minute=session_per_minute,
        messages_per_minute=messages_per_minute,
        tenant_sessions=tenant_sessions,
        posts_per_minute=posts_per_minute,
        channels_per_connection=channels_per_connection,
        channels=None if channels is None else ChannelsChange.of(channels, time.time()),
        session_seconds=session_ttl,
        session_key=new_session_key() if session_key else None,
    )
    tenant_id = ids.tenant_id(tenant)
    deployment = workplace.deployment()
    require_silo(tenant_id, wanted=silo, has_silo=deployment.has_silo(tenant_id))
    rest = deployment.rest_seconds
    tenant_now = put(deployment.tenants, change, tenant_id, now=time.time(), rest_seconds=rest, at_once=at_once)
    workplace.terminal.show(_limits(deployment, [tenant_now]))
    workplace.terminal.say(f"Tenant {tenant_id} is put.")


@tenant_app.command("delete")
def delete_tenant(context: typer.Context, tenant: str) -> None:
    """End a tenant's sessions and erase all that it has; run it again if it was interrupted."""
    workplace = Workplace.of(context)
    tenant_id = ids.tenant_id(tenant)
    deployment = workplace.deployment()
    stores = Stores.of(deployment)
    with workplace.terminal.bar(f"Erasing {tenant_id}") as bar:
        erasing = Erasing(
            stores,
            tenant_id,
            lambda done, kind: bar.update(done, None, kind),
            further=[Stores.of(cell) for cell in deployment.cells.values()],
            spread=lambda: cells_without_tenants(deployment, _CELLS_SECONDS),
            quiet_seconds=deployment.quiet_seconds,
        )
        erasing()
    table = Table("erased", "number")
    for kind, number in sorted(erasing.erased.items()):
        table.add_row(kind, str(number))
    workplace.terminal.show(table if table.rows or workplace.terminal.shows_json else "It had nothing but its limits.")
    workplace.terminal.say(f"Tenant {tenant_id} is deleted.")
