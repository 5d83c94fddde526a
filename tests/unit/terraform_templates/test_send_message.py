"""Messages that the template of the queue routes sends to SQS, rendered by an engine of others (airspeed).

Whatever a client sends, SQS must find the ten attributes, the group, the duplicate's id and the body that are meant:
the form is parsed by urllib, and nothing may be in it that was not meant.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.hostile_texts import HOSTILE
from tools.emulator.gateway.mapping_template import render

TEMPLATES = Path(__file__).parents[3] / "terraform" / "modules" / "websocket_api" / "templates"
SEND_MESSAGE = (TEMPLATES / "send_message.vtl").read_text().replace("\n", "")  # as queues.tf does
NOT_QUEUED = (TEMPLATES / "not_queued.vtl").read_text()

OF_AUTHORIZER = (
    "tenantId",
    "sessionId",
    "sessionPerMinute",
    "tenantPerMinute",
    "connectionsPerSession",
    "sessionTTL",
    "tenantConnections",
    "messagesPerMinute",
)
ATTRIBUTES = {"connectionId", "requestId", *OF_AUTHORIZER}
FRAMES = st.characters(codec="utf-8")  # WebSocket's text is UTF-8: no frame holds half of a surrogate pair


def context(**authorizer: str) -> dict[str, Any]:
    """A message's `$context`; the ids are such as API Gateway makes."""
    known = {name: f"value of {name}" for name in OF_AUTHORIZER}
    return {"connectionId": "L0SM9cOF+HcCI/w=", "requestId": "Kh2/+9cOvHcCIhw=", "authorizer": known | authorizer}


def sent(body: str, given_context: dict[str, Any]) -> dict[str, str]:
    """The parameters that SQS finds; each is there once."""
    form = render(SEND_MESSAGE, body, given_context, {})
    pairs = parse_qsl(form, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def meant(body: str, given_context: dict[str, Any]) -> dict[str, str]:
    """The parameters that are meant, with the attributes under any number from 1 to 10."""
    values = given_context | given_context["authorizer"]
    group = f"{values['tenantId']}:{values['sessionId']}"
    parameters = {
        "Action": "SendMessage",
        "MessageGroupId": group if len(group) <= 128 else values["tenantId"] + values["sessionId"],
        "MessageDeduplicationId": values["requestId"],
        "MessageBody": body,
    }
    for number, name in enumerate(_numbered(), 1):
        prefix = f"MessageAttribute.{number}"
        parameters |= {f"{prefix}.Name": name, f"{prefix}.Value.DataType": "String"}
        parameters[f"{prefix}.Value.StringValue"] = values[name]
    return parameters


def _numbered() -> list[str]:
    """The attributes in the template's order, taken from a form that holds nothing hostile."""
    form = sent("body", context())
    return [form[f"MessageAttribute.{number}.Name"] for number in range(1, 11)]


def test_the_ten_attributes_match_the_consumers() -> None:
    """Ten is all that SQS takes."""
    assert set(_numbered()) == ATTRIBUTES
    assert len(_numbered()) == 10


def test_the_queue_gets_exactly_the_body_that_was_sent() -> None:
    """Nothing in a body ends its parameter, begins another, or is taken for a template."""
    for body in HOSTILE:
        assert sent(body, context()) == meant(body, context())


def test_a_body_of_the_largest_size_arrives_whole() -> None:
    """120 KB of what needs the most escaping."""
    body = json.dumps({"action": "PooledSQS", "message": "&=%+ \N{GRINNING FACE}" * 13_500}, ensure_ascii=False)
    assert 120_000 < len(body.encode()) < 131_072
    assert sent(body, context()) == meant(body, context())


@pytest.mark.parametrize("name", OF_AUTHORIZER)
def test_a_hostile_value_of_the_authorizer_stays_a_value(name: str) -> None:
    """The ids are checked long before; the template does not rely on it."""
    for value in HOSTILE:
        hostile = context(**{name: value})
        assert sent("body", hostile) == meant("body", hostile)


@given(st.text(FRAMES), st.dictionaries(st.sampled_from(OF_AUTHORIZER), st.text(FRAMES, min_size=1)))
def test_any_text_arrives_unchanged_and_alone(body: str, authorizer: dict[str, str]) -> None:
    """For any text in any place that a client, or a tenant's settings, can reach."""
    assert sent(body, context(**authorizer)) == meant(body, context(**authorizer))


def test_the_longest_ids_make_a_group_that_sqs_takes() -> None:
    """64 characters each and a colon are one too many: without the colon the group still is of one session only."""
    longest = context(tenantId="t" * 64, sessionId="s" * 64)
    assert sent("body", longest)["MessageGroupId"] == "t" * 64 + "s" * 64
    next_longest = context(tenantId="t" * 64, sessionId="s" * 63)
    assert sent("body", next_longest)["MessageGroupId"] == "t" * 64 + ":" + "s" * 63


def test_a_failed_send_is_answered_with_an_error_frame() -> None:
    """It is JSON, names the frame it is about, and has nothing of SQS's answer."""
    frame = json.loads(render(NOT_QUEUED, "<Error>AccessDenied</Error>", context(), {}))
    assert frame["error"]["code"] == "NOT_QUEUED"
    assert (frame["connectionId"], frame["requestId"]) == ("L0SM9cOF+HcCI/w=", "Kh2/+9cOvHcCIhw=")
    assert "AccessDenied" not in json.dumps(frame)
