"""Integrations with AWS services: one template makes the request, another one the client's answer.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integrations.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-data-mapping.html (parameters)
"""

import asyncio
import re
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from http import HTTPStatus
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode
from weakref import WeakValueDictionary

import aiohttp
import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from tools.emulator.gateway.api import DEFAULT, Integration, ServiceRef, Templates
from tools.emulator.gateway.events import GatewayEvent
from tools.emulator.gateway.integration import INTERNAL_SERVER_ERROR, TIMED_OUT, IntegrationFailure, Reply
from tools.emulator.gateway.mapping_template import render

_KEEPALIVE_SECONDS = 2.0
_RENEWAL_SECONDS = 300.0
_PRINCIPAL = "apigateway.amazonaws.com"
_SERVED = {"sqs"}
_PLACEHOLDER = re.compile(r"\{([A-Za-z0-9]+)\}")


class RoleSessions(Protocol):
    """Assumes roles."""

    async def credentials(self, role_arn: str, region: str) -> Credentials:
        """Credentials of a session of the role that is not about to end."""


@dataclass(frozen=True, slots=True)
class _Session:
    credentials: Credentials
    ends_at: float


class StsRoleSessions:
    """Assumes roles through STS, in the name of the service; a session is kept until shortly before its end."""

    def __init__(self, endpoint: str, secret: str) -> None:
        self._endpoint = endpoint
        self._secret = secret
        self._sessions: dict[str, _Session] = {}

    async def credentials(self, role_arn: str, region: str) -> Credentials:
        """Credentials of a session of the role that is not about to end."""
        session = self._sessions.get(role_arn)
        if session is None or session.ends_at < time.time() + _RENEWAL_SECONDS:
            session = self._sessions[role_arn] = await asyncio.to_thread(self._assume, role_arn, region)
        return session.credentials

    def _assume(self, role_arn: str, region: str) -> _Session:
        account = role_arn.split(":")[4]  # locally an access key is its account's id
        sts = boto3.client(
            "sts",
            endpoint_url=self._endpoint,
            region_name=region,
            aws_access_key_id=account,
            aws_secret_access_key=self._secret,
        )
        made = sts.assume_role(RoleArn=role_arn, RoleSessionName=_PRINCIPAL)["Credentials"]
        keys = Credentials(made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
        return _Session(keys, made["Expiration"].timestamp())


class ServiceIntegration:
    """`AWS`: a request to a service, signed as the integration's role.

    The frames of one connection are sent on one after the other. AWS promises no order here, so that a test of order
    shows only what comes behind the queue.
    """

    def __init__(self, endpoint: str, roles: RoleSessions, concurrency: int) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._roles = roles
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=concurrency, keepalive_timeout=_KEEPALIVE_SECONDS)
        )
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def call(
        self, integration: Integration, event: GatewayEvent, timeout_seconds: float
    ) -> Reply | IntegrationFailure:
        """Send the event as the request's template renders it; the reply is rendered by the response's template."""
        turn = self._turns.setdefault(event["requestContext"]["connectionId"], asyncio.Lock())
        async with turn:
            (reply,) = await self.call_together(integration, [event], timeout_seconds)
            return reply

    async def call_together(
        self, integration: Integration, events: Sequence[GatewayEvent], timeout_seconds: float
    ) -> Sequence[Reply | IntegrationFailure]:
        """Send the events as the request's template renders them, in one request for each queue."""
        failure = IntegrationFailure(HTTPStatus.GATEWAY_TIMEOUT, TIMED_OUT, "the service did not answer in time")
        try:
            async with asyncio.timeout(timeout_seconds):
                return await self._call(integration, events)
        except TimeoutError:
            pass
        except (aiohttp.ClientError, BotoCoreError, ClientError, OSError) as error:
            failure = _failure(f"the service could not be called: {error!r}")
        return [failure] * len(events)

    async def close(self) -> None:
        """Drop the connections to the services."""
        await self._session.close()

    async def _call(
        self, integration: Integration, events: Sequence[GatewayEvent]
    ) -> Sequence[Reply | IntegrationFailure]:
        target = ServiceRef.parse(integration.uri)
        template = _chosen(integration.request, integration.request.selection)
        if target.service not in _SERVED or integration.role is None or template is None:
            cause = f"an integration with {integration.uri} without a role or a request template is not served"
            return [_failure(cause)] * len(events)
        bodies: dict[tuple[str, tuple[tuple[str, str], ...]], dict[int, str]] = defaultdict(dict)
        for place, event in enumerate(events):
            path, headers = map_parameters(target.path, integration.parameters, event["requestContext"])
            bodies[path, tuple(headers.items())][place] = _rendered(template, event.get("body", ""), event)
        credentials = await self._roles.credentials(integration.role, target.region)
        replies: dict[int, Reply | IntegrationFailure] = {}
        for (path, fields), of_queue in bodies.items():
            body = batch_of([*of_queue.values()]).encode()
            url = f"{self._endpoint}/{path}"
            request = AWSRequest("POST", url, dict(fields), body)
            SigV4Auth(credentials, target.service, target.region).add_auth(request)
            async with self._session.post(url, data=body, headers=dict(request.headers.items())) as answer:
                text = await answer.text()
            refused = refused_entries(text)
            for number, place in enumerate(of_queue):
                status = HTTPStatus.BAD_REQUEST if number in refused else answer.status
                replies[place] = read_service_answer(integration, events[place], status, text)
        return [replies[place] for place in range(len(events))]


def batch_of(bodies: Sequence[str]) -> str:
    """One request to SQS in place of several, each a form with the action SendMessage; a single one stays as it is.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html
    """
    if len(bodies) == 1:
        return bodies[0]
    fields = [("Action", "SendMessageBatch")]
    for number, body in enumerate(bodies):
        entry = f"SendMessageBatchRequestEntry.{number + 1}."
        fields.append((f"{entry}Id", str(number)))
        fields += [(entry + name, value) for name, value in parse_qsl(body) if name != "Action"]
    return urlencode(fields)


def refused_entries(answer: str) -> set[int]:
    """The places of the messages that SQS has not taken of a batch."""
    return {int(number) for number in re.findall(r"<BatchResultErrorEntry>\s*<Id>(\d+)</Id>", answer)}


def map_parameters(path: str, parameters: Mapping[str, str], context: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """The path with its parameters filled in, and the headers, as the integration's request parameters say."""
    values = {name: _parameter(source, context) for name, source in parameters.items()}
    filled = _PLACEHOLDER.sub(lambda found: quote(values[f"integration.request.path.{found[1]}"], safe=""), path)
    prefix = "integration.request.header."
    return filled, {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def render_request(integration: Integration, event: GatewayEvent) -> str | None:
    """Render the message by the integration's request template; None if no template is for it."""
    template = _chosen(integration.request, integration.request.selection)
    return None if template is None else _rendered(template, event.get("body", ""), event)


def read_service_answer(
    integration: Integration, event: GatewayEvent, status: int, body: str
) -> Reply | IntegrationFailure:
    """Return the client's answer: from the response whose key matches the status, else from the one for `$default`.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html
    """
    matching = (each for key, each in integration.responses.items() if re.fullmatch(key.strip("/"), str(status)))
    templates = next(matching, integration.responses.get(DEFAULT))
    if templates is None:
        return _failure(f"no match for output mapping and no default: the service answered {status}")
    selected = str(status) if templates.selection.strip("${}") == "integration.response.statuscode" else DEFAULT
    template = _chosen(templates, selected)
    return Reply(status, body if template is None else _rendered(template, body, event))


def _parameter(source: str, context: Mapping[str, Any]) -> str:
    """A static value in quotes, or a path into the context."""
    if source.startswith("'"):
        return source.strip("'")
    value: Any = reduce(lambda found, name: found.get(name, {}), source.split(".")[1:], context)
    return value if isinstance(value, str) else ""


def _chosen(templates: Templates, key: str) -> str | None:
    return templates.by_key.get(key, templates.by_key.get(DEFAULT))


def _rendered(template: str, body: str, event: GatewayEvent) -> str:
    return render(template, body, event["requestContext"], event.get("stageVariables", {}))


def _failure(cause: str) -> IntegrationFailure:
    return IntegrationFailure(HTTPStatus.INTERNAL_SERVER_ERROR, INTERNAL_SERVER_ERROR, cause)
