"""Policies that authorizers return, as IAM evaluates them."""

from typing import Any

import pytest

from tools.emulator.gateway.policy import Decision, MalformedPolicyError, decide

ARN = "arn:aws:execute-api:us-east-1:111111111111:abcdef01/live/$connect"


def policy(*statements: Any) -> dict[str, Any]:
    """A policy document of these statements."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def statement(effect: str = "Allow", action: Any = "execute-api:Invoke", resource: Any = ARN) -> dict[str, Any]:
    """One statement."""
    return {"Effect": effect, "Action": action, "Resource": resource}


@pytest.mark.parametrize(
    "resource",
    [
        ARN,
        "*",
        "arn:aws:execute-api:*",
        "arn:aws:execute-api:us-east-1:111111111111:abcdef01/*",
        "arn:aws:execute-api:us-east-1:111111111111:abcdef0?/live/$connect",
        ["arn:aws:s3:::other", ARN],
    ],
)
def test_an_allow_that_covers_the_route_allows(resource: Any) -> None:
    """Exactly, by wildcard, or as one of several."""
    assert decide(policy(statement(resource=resource)), ARN) is Decision.ALLOW


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws:execute-api:us-east-1:111111111111:abcdef01/*/GET/x",
        "arn:aws:execute-api:us-east-1:111111111111:abcdef01/live/$default",
        "arn:aws:execute-api:us-east-1:111111111111:abcdef01/live/.connect",
        ARN.upper(),
        [],
    ],
)
def test_an_allow_for_something_else_does_not_allow(resource: Any) -> None:
    """The method ARN has no HTTP method; a `/*/*` made for REST does not match it."""
    assert decide(policy(statement(resource=resource)), ARN) is Decision.IMPLICIT_DENY


def test_a_deny_wins_at_any_position() -> None:
    """Before and after the allow."""
    assert decide(policy(statement("Deny"), statement()), ARN) is Decision.EXPLICIT_DENY
    assert decide(policy(statement(), statement("Deny")), ARN) is Decision.EXPLICIT_DENY


def test_actions_are_compared_without_case_and_with_wildcards() -> None:
    """As IAM does."""
    assert decide(policy(statement(action=["EXECUTE-API:*"])), ARN) is Decision.ALLOW
    assert decide(policy(statement(action="execute-api:ManageConnections")), ARN) is Decision.IMPLICIT_DENY


def test_a_single_statement_needs_no_list() -> None:
    """IAM takes both forms."""
    assert decide({"Statement": statement()}, ARN) is Decision.ALLOW


@pytest.mark.parametrize(
    "document",
    [
        None,
        "Allow",
        {},
        policy("x"),
        policy({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
        policy({"Effect": "Allow", "Action": "*"}),
        policy({"Effect": "Allow", "Action": 1, "Resource": "*"}),
        policy(statement() | {"Condition": {}}),
    ],
)
def test_a_policy_that_cannot_be_evaluated_is_malformed(document: Any) -> None:
    """Never taken for an allow."""
    with pytest.raises(MalformedPolicyError):
        decide(document, ARN)
