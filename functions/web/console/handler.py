"""Wiring of `console`: HTTP routes, payload format 2.0."""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.web.console.console import Console, read_files
from functions.web.console.settings import Settings
from loudhailer.observability import logger, metrics
from loudhailer.settings import from_env

settings = from_env(Settings, os.environ)


def cell_hosts() -> Callable[[], Collection[str]]:
    """The hosts of further cells; without any, the page needs no table, and the function does not load the SDK."""
    if not settings.cell_regions:
        return tuple
    from functions.web.console import dynamodb  # noqa: PLC0415

    return dynamodb.cell_hosts(settings.cells_table, settings.cell_regions, settings.websocket_url)


console = Console(
    read_files(Path(__file__).parents[3]),
    {
        "listTenants": settings.list_tenants,
        "auth": {"session": settings.session_auth, "broadcast": settings.broadcast_auth},
    },
    page_url=settings.page_url,
    websocket_url=settings.websocket_url,
    cell_hosts=cell_hosts(),
)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answer one request."""
    return console(event)
