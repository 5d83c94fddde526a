"""Events in the shapes that AWS documents."""

import base64

import pytest

from tests.unit.emulator.gateway.stand_ins import HOST, StandInClient
from tools.emulator.gateway.api import Stage
from tools.emulator.gateway.events import authorizer_event, connect_event, disconnect_event, message_event
from tools.emulator.gateway.handshake import new_id

NOW = 1_742_085_998.789


def test_an_authorizer_gets_the_event_of_the_guide() -> None:
    """The members of the example in "Control access to WebSocket APIs with REQUEST authorizers"."""
    client = StandInClient(stage=Stage("default", {"StageVar1": "stageValue1"}), query="QueryString1=a&QueryString1=b")
    event = authorizer_event(client.connection, NOW)
    context = event.pop("requestContext")
    headers, multi = event.pop("headers"), event.pop("multiValueHeaders")
    assert event == {
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/default/$connect",
        "queryStringParameters": {"QueryString1": "b"},
        "multiValueQueryStringParameters": {"QueryString1": ["a", "b"]},
        "stageVariables": {"StageVar1": "stageValue1"},
    }
    assert headers["HeaderAuth1"] == "headerValue1"
    assert multi["HeaderAuth1"] == ["headerValue1"]
    assert headers.keys() >= {"Host", "X-Amzn-Trace-Id", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"}
    assert context.pop("requestId") == context.pop("extendedRequestId")
    assert context == {
        "routeKey": "$connect",
        "eventType": "CONNECT",
        "requestTime": "16/Mar/2025:00:46:38 +0000",
        "messageDirection": "IN",
        "stage": "default",
        "connectedAt": int(client.connection.connected_at * 1_000),
        "requestTimeEpoch": 1_742_085_998_789,
        "identity": {"sourceIp": "192.0.2.1", "userAgent": "wscat"},
        "domainName": HOST,
        "connectionId": client.connection.connection_id,
        "apiId": "abcdef123",
    }


def test_connect_carries_headers_and_query_and_the_authorizers_context() -> None:
    """Without a query its members are left out."""
    client = StandInClient(query="tenantId=t%26t&empty=")
    client.connection.authorizer = {"principalId": "me", "tenantId": "t&t"}
    event = connect_event(client.connection, NOW)
    assert event["queryStringParameters"] == {"tenantId": "t&t", "empty": ""}
    assert event["requestContext"]["authorizer"] == {"principalId": "me", "tenantId": "t&t"}
    assert event["isBase64Encoded"] is False
    assert "body" not in event
    bare = connect_event(StandInClient().connection, NOW)
    assert "queryStringParameters" not in bare
    assert "authorizer" not in bare["requestContext"]
    assert "stageVariables" not in bare


def test_a_message_carries_its_body_and_ids_but_no_headers() -> None:
    """The handshake's headers stay with the handshake."""
    client = StandInClient(query="tenantId=t")
    client.connection.authorizer = {"principalId": "me"}
    event = message_event(client.connection, "joinroom", '{"action":"joinroom"}', "request=", NOW)
    assert event.keys() == {"requestContext", "body", "isBase64Encoded"}
    assert event["body"] == '{"action":"joinroom"}'
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"], context["requestId"]) == ("joinroom", "MESSAGE", "request=")
    assert context["messageId"]
    assert context["authorizer"] == {"principalId": "me"}


def test_a_disconnect_event_names_the_end_of_the_connection() -> None:
    """With code, reason, and the headers that AWS sends then."""
    client = StandInClient()
    client.connection.authorizer = {"principalId": "me"}
    client.connection.ended = (1001, "Going away")
    event = disconnect_event(client.connection, NOW)
    context = event["requestContext"]
    assert (context["routeKey"], context["eventType"]) == ("$disconnect", "DISCONNECT")
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (1001, "Going away")
    assert context["authorizer"] == {"principalId": "me"}
    assert event["headers"] == {"Host": HOST, "x-api-key": "", "X-Forwarded-For": "192.0.2.1", "x-restapi": ""}
    assert event["multiValueHeaders"]["Host"] == [HOST]


def test_a_disconnect_can_come_without_the_authorizers_context() -> None:
    """AWS's guide does not promise it there."""
    client = StandInClient()
    client.connection.authorizer = {"principalId": "me"}
    assert "authorizer" not in disconnect_event(client.connection, NOW, with_authorizer=False)["requestContext"]


@pytest.mark.emulator_contract
def test_ids_look_like_awss_and_need_quoting() -> None:
    """16 characters of base64 that end in `=`; some have `+` or `/`."""
    ids = [new_id() for _ in range(500)]
    assert all(len(each) == 16 and each.endswith("=") and len(base64.b64decode(each)) == 11 for each in ids)
    assert len(set(ids)) == 500
    assert {"+", "/"} <= set("".join(ids))
