"""The message that the template of `$disconnect` sends to SQS, rendered by a foreign engine (airspeed)."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tools.emulator.gateway.mapping_template import render

TEMPLATE = Path(__file__).parents[3] / "terraform" / "modules" / "websocket_api" / "templates" / "disconnect.vtl"
DISCONNECT = TEMPLATE.read_text().replace("\n", "")  # as disconnect.tf does


def sent(context: dict[str, Any]) -> dict[str, str]:
    """The parameters that SQS finds; each is there once."""
    pairs = parse_qsl(render(DISCONNECT, "", context, {}), keep_blank_values=True, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("connection", ["L0SM9cOF+HcCI/w=", "a", "===", "A-_b"])
def test_the_message_is_the_key_of_the_connections_row(connection: str) -> None:
    """Base64's characters mean something in a form, and arrive as they are."""
    context = {"connectionId": connection, "authorizer": {"tenantId": "acme", "partition": "acme#00002"}}
    assert sent(context)["MessageBody"] == f"acme#00002 {connection}"


@pytest.mark.parametrize("tenant", ["acme", "a-B_9", "t" * 64])
def test_a_tenants_messages_are_a_group(tenant: str) -> None:
    """One tenant's crowd that leaves must not delay the rows of others: the queue is fair by group."""
    parameters = sent({"connectionId": "a=", "authorizer": {"tenantId": tenant, "partition": f"{tenant}#00002"}})
    assert parameters.keys() == {"Action", "MessageGroupId", "MessageBody"}
    assert parameters["Action"] == "SendMessage"
    assert parameters["MessageGroupId"] == f"tenant:{tenant}"


@pytest.mark.parametrize("authorizer", [{}, {"authorizer": {}}, {"authorizer": {"tenantId": "", "partition": ""}}])
def test_a_message_without_a_context_names_no_partition(authorizer: dict[str, Any]) -> None:
    """AWS's guide does not promise it for `$disconnect`; the function leaves such a row to expire.

    The group is one that SQS takes: 1 to 128 letters, digits and punctuation.
    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
    """
    parameters = sent({"connectionId": "a="} | authorizer)
    assert not parameters["MessageBody"].startswith("acme#")
    assert re.fullmatch(r"[A-Za-z0-9!-/:-@\[-`{-~]{1,128}", parameters["MessageGroupId"])
