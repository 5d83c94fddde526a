"""`loudhailer session`."""

import json
import uuid
from typing import Annotated

import typer

from loudhailer import ids
from tools.cli.workplace import Workplace, run
from tools.client.socket import socket_url

session_app = typer.Typer(add_completion=False, no_args_is_help=True, help="Create sessions, to try a deployment.")


@session_app.callback()
def choose() -> None:
    """Let the group have a single command."""


@session_app.command("create")
def create_session(
    context: typer.Context,
    tenant: Annotated[str, typer.Argument(metavar="TENANT", help="The tenant, as `loudhailer tenant list` has it.")],
    *,
    player: Annotated[str | None, typer.Option(help="The player, who gets direct messages.")] = None,
    session: Annotated[str | None, typer.Option(help="The session's id. Default: a new one.")] = None,
) -> None:
    """Create a session, and show the URL that a client connects to; anyone who knows it is let in."""
    workplace = Workplace.of(context)
    tenant_id = ids.tenant_id(tenant, "TENANT")
    player_id = None if player is None else ids.player_id(player, "--player")
    session_id = ids.session_secret(str(uuid.uuid4()) if session is None else session, "--session")
    deployment = workplace.deployment()

    async def create() -> str:
        async with deployment.http_api() as api:
            return await api.open_session(tenant_id, session_id, player_id)

    terminal = workplace.terminal
    url = socket_url(run(create()), tenantId=tenant_id, sessionId=session_id)
    terminal.show(session_id, name="sessionId")
    terminal.show(url, name="url")
    terminal.show(_SNIPPET.format(url=json.dumps(url)), name="snippet")


_SNIPPET = """new WebSocket({url}).onmessage = (event) => console.log(event.data);"""
