"""The message that the template of `$disconnect` sends to SQS, rendered by a foreign engine (airspeed)."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tools.gateway.mapping_template import render

TEMPLATE = Path(__file__).parents[3] / "terraform" / "modules" / "websocket_api" / "templates" / "disconnect.vtl"
DISCONNECT = TEMPLATE.read_text().replace("\n", "")  # as disconnect.tf does


def sent(context: dict[str, Any]) -> list[tuple[str, str]]:
    """The parameters that SQS finds."""
    return parse_qsl(render(DISCONNECT, "", context, {}), keep_blank_values=True, strict_parsing=True)


@pytest.mark.parametrize("connection", ["L0SM9cOF+HcCI/w=", "a", "===", "A-_b"])
def test_the_message_is_the_key_of_the_connections_row(connection: str) -> None:
    """Base64's characters mean something in a form, and arrive as they are."""
    context = {"connectionId": connection, "authorizer": {"partition": "acme#00002"}}
    assert sent(context) == [("Action", "SendMessage"), ("MessageBody", f"acme#00002 {connection}")]


def test_without_a_context_no_partition_is_named() -> None:
    """AWS's guide does not promise it for `$disconnect`; the function leaves such a row to expire."""
    (_, (name, body)) = sent({"connectionId": "a="})
    assert name == "MessageBody"
    assert not body.startswith("acme#")
