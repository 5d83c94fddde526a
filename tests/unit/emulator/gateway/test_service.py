"""Requests of the gateway to a service, and its reading of the answer."""

from urllib.parse import parse_qsl

import pytest

from tools.emulator.gateway.api import Integration, ServiceRef, Templates, UnsupportedApiError, read_integration
from tools.emulator.gateway.integration import IntegrationFailure, Reply
from tools.emulator.gateway.service import batch_of, map_parameters, read_service_answer, refused_entries

URI = "arn:aws:apigateway:us-east-1:sqs:path/111111111111/silo-{tenantId}.fifo"
EVENT = {"requestContext": {"connectionId": "c", "authorizer": {"tenantId": "gold"}}}


def answered(status: int, responses: dict[str, Templates]) -> Reply | IntegrationFailure:
    """Return what becomes of a service's answer `<xml/>`."""
    return read_service_answer(Integration("AWS", URI, 5.0, responses=responses), EVENT, status, "<xml/>")


def test_a_uri_names_region_service_and_path() -> None:
    """And one that names a function instead is not served."""
    assert ServiceRef.parse(URI) == ServiceRef("us-east-1", "sqs", "111111111111/silo-{tenantId}.fifo")
    with pytest.raises(UnsupportedApiError, match="lambda"):
        ServiceRef.parse("arn:aws:lambda:us-east-1:111111111111:function:f")


def test_parameters_fill_path_and_headers() -> None:
    """From static values and the context; what a path gets is encoded."""
    parameters = {
        "integration.request.header.Content-Type": "'application/x-www-form-urlencoded'",
        "integration.request.header.X-Connection": "context.connectionId",
        "integration.request.path.tenantId": "context.authorizer.tenantId",
    }
    context = {"connectionId": "c", "authorizer": {"tenantId": "../a b"}}
    path, headers = map_parameters("1/silo-{tenantId}.fifo", parameters, context)
    assert path == "1/silo-..%2Fa%20b.fifo"
    assert headers == {"Content-Type": "application/x-www-form-urlencoded", "X-Connection": "c"}


def test_a_parameter_that_the_context_lacks_is_empty() -> None:
    """The service then says what it thinks of that."""
    parameters = {"integration.request.path.tenantId": "context.authorizer.tenantId"}
    assert map_parameters("silo-{tenantId}.fifo", parameters, {}) == ("silo-.fifo", {})


def test_messages_for_one_queue_are_one_batch() -> None:
    """Each with its own group and body, which may have any character."""
    bodies = [
        "Action=SendMessage&MessageGroupId=tenant%3Aa&MessageBody=a%230+x%3D%26",
        "Action=SendMessage&MessageGroupId=tenant%3Ab&MessageBody=b%230+%C3%BC",
    ]
    assert dict(parse_qsl(batch_of(bodies))) == {
        "Action": "SendMessageBatch",
        "SendMessageBatchRequestEntry.1.Id": "0",
        "SendMessageBatchRequestEntry.1.MessageGroupId": "tenant:a",
        "SendMessageBatchRequestEntry.1.MessageBody": "a#0 x=&",
        "SendMessageBatchRequestEntry.2.Id": "1",
        "SendMessageBatchRequestEntry.2.MessageGroupId": "tenant:b",
        "SendMessageBatchRequestEntry.2.MessageBody": "b#0 ü",
    }
    assert batch_of(bodies[:1]) == bodies[0]


def test_refused_messages_of_a_batch_are_identified_by_position() -> None:
    """An answer of 200 has accepted and refused entries."""
    answer = """<SendMessageBatchResponse><SendMessageBatchResult>
      <SendMessageBatchResultEntry><Id>0</Id><MessageId>m</MessageId></SendMessageBatchResultEntry>
      <BatchResultErrorEntry><Id>1</Id><Code>InvalidMessageContents</Code></BatchResultErrorEntry>
      <BatchResultErrorEntry>
        <Id>12</Id>
      </BatchResultErrorEntry></SendMessageBatchResult></SendMessageBatchResponse>"""
    assert refused_entries(answer) == {1, 12}


def test_the_status_selects_the_template() -> None:
    """A status that it does not name falls back to `$default`."""
    templates = Templates(
        "$integration.response.statuscode", {"200": "## nothing", "$default": "$context.connectionId"}
    )
    assert answered(200, {"$default": templates}) == Reply(200, "")
    assert answered(400, {"$default": templates}) == Reply(400, "c")
    assert answered(503, {"$default": templates}) == Reply(503, "c")


def test_a_response_for_the_status_takes_precedence_over_the_default() -> None:
    """Keys are patterns between slashes; without a template the service's answer passes."""
    responses = {"$default": Templates("$default", {"$default": "any"}), "/4\\d\\d/": Templates("$default", {})}
    assert answered(404, responses) == Reply(404, "<xml/>")
    assert answered(500, responses) == Reply(500, "any")


def test_an_integration_without_a_response_for_the_status_fails() -> None:
    """API Gateway calls it a configuration error."""
    failure = answered(400, {"/2\\d\\d/": Templates("$default", {})})
    assert isinstance(failure, IntegrationFailure)
    assert (failure.status, failure.message) == (500, "Internal server error")


def test_an_integration_is_read_with_its_role_templates_and_responses() -> None:
    """The shape of GetIntegrations and GetIntegrationResponses."""
    item = {
        "IntegrationType": "AWS",
        "IntegrationUri": URI,
        "TimeoutInMillis": 5_000,
        "CredentialsArn": "arn:aws:iam::111111111111:role/sender",
        "RequestParameters": {"integration.request.header.A": "'a'"},
        "TemplateSelectionExpression": "\\$default",
        "RequestTemplates": {"$default": "body"},
    }
    response = {"IntegrationResponseKey": "$default", "ResponseTemplates": {"200": "ok"}}
    assert read_integration(item, [response]) == Integration(
        "AWS",
        URI,
        5.0,
        role="arn:aws:iam::111111111111:role/sender",
        parameters={"integration.request.header.A": "'a'"},
        request=Templates("\\$default", {"$default": "body"}),
        responses={"$default": Templates("$default", {"200": "ok"})},
    )
