"""Wiring of `console`: HTTP routes, payload format 2.0."""

import os
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.web.console.console import Console, read_files
from functions.web.console.settings import Settings
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)
console = Console(
    read_files(Path(__file__).with_name("page")),
    {
        "listTenants": settings.list_tenants,
        "auth": {"session": settings.session_auth, "broadcast": settings.broadcast_auth},
    },
    page_url=settings.page_url,
    websocket_url=settings.websocket_url,
    cell_regions=settings.cell_regions,
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer one request from the request alone."""
    return console(event)
