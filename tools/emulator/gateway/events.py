"""The events that API Gateway hands to authorizers and Lambda proxy integrations of a WebSocket API.

https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html (authorizer) and
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
(the members of `requestContext`).
"""

import time
from typing import Any

from tools.emulator.gateway.api import CONNECT, DISCONNECT
from tools.emulator.gateway.connection import OpenConnection
from tools.emulator.gateway.handshake import new_id

type GatewayEvent = dict[str, Any]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def method_arn(connection: OpenConnection) -> str:
    """The ARN that an authorizer's policy must allow."""
    api = connection.deployment.api
    return f"arn:aws:execute-api:{api.region}:{api.account}:{api.api_id}/{connection.deployment.stage.name}/{CONNECT}"


def authorizer_event(connection: OpenConnection, now: float) -> GatewayEvent:
    """Return the event of a REQUEST authorizer."""
    event = {"type": "REQUEST", "methodArn": method_arn(connection), **connection.handshake.members()}
    event.setdefault("queryStringParameters", {})
    event.setdefault("multiValueQueryStringParameters", {})
    event["stageVariables"] = dict(connection.deployment.stage.variables)
    event["requestContext"] = _request_context(connection, CONNECT, "CONNECT", now)
    return event


def connect_event(connection: OpenConnection, now: float) -> GatewayEvent:
    """Return the event of the integration of `$connect`."""
    context = _request_context(connection, CONNECT, "CONNECT", now)
    return _route_event(connection, context) | connection.handshake.members()


def message_event(connection: OpenConnection, route_key: str, text: str, request_id: str, now: float) -> GatewayEvent:
    """Return the event of the integration of a message's route."""
    context = _request_context(connection, route_key, "MESSAGE", now, request_id) | {"messageId": new_id()}
    return _route_event(connection, context) | {"body": text}


def disconnect_event(connection: OpenConnection, now: float, *, with_authorizer: bool = True) -> GatewayEvent:
    """Return the event of the integration of `$disconnect`.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
    """
    context = _request_context(connection, DISCONNECT, "DISCONNECT", now)
    context["disconnectStatusCode"], context["disconnectReason"] = connection.ended
    if not with_authorizer:
        context.pop("authorizer", None)
    headers = {
        "Host": connection.handshake.header("Host") or "",
        "x-api-key": "",
        "X-Forwarded-For": connection.handshake.source_ip,
        "x-restapi": "",
    }
    multi = {name: [value] for name, value in headers.items()}
    return _route_event(connection, context) | {"headers": headers, "multiValueHeaders": multi}


def _route_event(connection: OpenConnection, context: GatewayEvent) -> GatewayEvent:
    event: GatewayEvent = {"requestContext": context, "isBase64Encoded": False}
    if connection.deployment.stage.variables:
        event["stageVariables"] = dict(connection.deployment.stage.variables)
    return event


def _request_context(
    connection: OpenConnection, route_key: str, event_type: str, now: float, request_id: str | None = None
) -> GatewayEvent:
    request_id = request_id or new_id()
    context: GatewayEvent = {
        "routeKey": route_key,
        "eventType": event_type,
        "extendedRequestId": request_id,
        "requestTime": _common_log_time(now),
        "messageDirection": "IN",
        "stage": connection.deployment.stage.name,
        "connectedAt": int(connection.connected_at * 1_000),
        "requestTimeEpoch": int(now * 1_000),
        "identity": {"sourceIp": connection.handshake.source_ip},
        "requestId": request_id,
        "domainName": connection.handshake.header("Host") or "",
        "connectionId": connection.connection_id,
        "apiId": connection.deployment.api.api_id,
    }
    if user_agent := connection.handshake.header("User-Agent"):
        context["identity"]["userAgent"] = user_agent
    if connection.authorizer is not None:
        context["authorizer"] = dict(connection.authorizer)
    return context


def _common_log_time(now: float) -> str:
    """`16/Mar/2025:00:46:38 +0000`, in English whatever the locale."""
    moment = time.gmtime(now)
    return (
        f"{moment.tm_mday:02}/{_MONTHS[moment.tm_mon - 1]}/{moment.tm_year}:{time.strftime('%H:%M:%S', moment)} +0000"
    )
