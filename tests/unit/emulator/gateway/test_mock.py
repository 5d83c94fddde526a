"""Answers of the gateway itself, and definitions that it refuses as API Gateway does."""

import asyncio
from collections.abc import Mapping

import pytest

from tools.emulator.gateway.api import Integration, Templates
from tools.emulator.gateway.events import GatewayEvent
from tools.emulator.gateway.integration import IntegrationFailure, Reply
from tools.emulator.gateway.mock import MockIntegration

EVENT: GatewayEvent = {"requestContext": {"connectionId": "a=", "requestId": "r"}, "body": '{"action":"ping","n":1}'}
PONG = '{"action":"pong"}'


def answered(request: Mapping[str, str], responses: Mapping[str, Mapping[str, str]]) -> Reply | IntegrationFailure:
    """The answer of an integration with these templates."""
    templates = {key: Templates("\\$default", by_key) for key, by_key in responses.items()}
    integration = Integration("MOCK", "", 29.0, request=Templates("\\$default", request), responses=templates)
    return asyncio.run(MockIntegration().call(integration, EVENT, 29.0))


def test_the_status_of_the_request_chooses_the_response() -> None:
    """The key of a response is a pattern; `$default` stands for all other statuses."""
    responses = {"/2\\d\\d/": {"$default": PONG}, "$default": {"$default": "no"}}
    assert answered({"$default": '{"statusCode":200}'}, responses) == Reply(200, PONG)
    assert answered({"$default": '{"statusCode":404}'}, responses) == Reply(404, "no")


@pytest.mark.parametrize("template", ["", "{}", "[200]", "no JSON", '{"statusCode":"200"}', '{"statusCode":true}'])
def test_a_template_without_an_integer_status_is_an_error(template: str) -> None:
    """The client gets the answer of any broken integration."""
    failure = answered({"$default": template}, {"$default": {"$default": PONG}})
    assert failure == IntegrationFailure(
        500, "Internal server error", "statusCode should be an integer which defined in request template"
    )


def test_a_mock_without_a_request_template_has_no_status() -> None:
    """The message itself has none."""
    assert isinstance(answered({}, {"$default": {"$default": PONG}}), IntegrationFailure)


def test_a_mock_without_a_response_for_the_status_fails() -> None:
    """An integration that is no proxy needs one."""
    assert isinstance(answered({"$default": '{"statusCode":200}'}, {"/5.*/": {"$default": PONG}}), IntegrationFailure)


def test_several_events_are_answered_one_by_one() -> None:
    """Nothing is called for any of them."""
    integration = Integration(
        "MOCK",
        "",
        29.0,
        request=Templates("$default", {"$default": '{"statusCode":200}'}),
        responses={"$default": Templates("$default", {"$default": PONG})},
    )
    assert asyncio.run(MockIntegration().call_together(integration, [EVENT] * 2, 29.0)) == [Reply(200, PONG)] * 2
