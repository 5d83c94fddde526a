"""Integrations that API Gateway answers itself, with no backend: a template says the status, a response's the text.

https://docs.aws.amazon.com/apigateway/latest/developerguide/how-to-mock-integration.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html
"""

import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from tools.emulator.gateway.api import Integration
from tools.emulator.gateway.events import GatewayEvent
from tools.emulator.gateway.integration import INTERNAL_SERVER_ERROR, IntegrationFailure, Reply
from tools.emulator.gateway.service import read_service_answer, render_request


class MockIntegration:
    """`MOCK`: nothing is called."""

    async def call(
        self,
        integration: Integration,
        event: GatewayEvent,
        timeout_seconds: float,  # noqa: ARG002  # as all kinds
    ) -> Reply | IntegrationFailure:
        """Answer with what the templates make of the event.

        The request's template must make an object with an integer `statusCode`; the response contains only what that
        template passes on.
        """
        made = render_request(integration, event)
        try:
            document: Any = json.loads(made or "")
        except ValueError:
            document = None
        status = document.get("statusCode") if isinstance(document, dict) else None
        if not isinstance(status, int) or isinstance(status, bool):
            cause = "statusCode should be an integer which defined in request template"
            return IntegrationFailure(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR, cause)
        return read_service_answer(integration, event, status, made or "")

    async def call_together(
        self, integration: Integration, events: Sequence[GatewayEvent], timeout_seconds: float
    ) -> Sequence[Reply | IntegrationFailure]:
        """Answer each of the events."""
        return [await self.call(integration, event, timeout_seconds) for event in events]
