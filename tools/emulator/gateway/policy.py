"""Reads the IAM policy that an authorizer returns.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-lambda-authorizer-output.html
"""

import re
from collections.abc import Mapping
from enum import Enum
from typing import Any

_ACTION = "execute-api:Invoke"


class Decision(Enum):
    """IAM's evaluation: an explicit deny wins, no statement is a deny too."""

    ALLOW = "Allow"
    EXPLICIT_DENY = "Deny"
    IMPLICIT_DENY = "no statement"


class MalformedPolicyError(ValueError):
    """A policy that cannot be evaluated; API Gateway answers 500."""


def decide(document: Any, method_arn: str) -> Decision:
    """Evaluate a policy document for invoking `method_arn`."""
    if not isinstance(document, Mapping):
        raise MalformedPolicyError("policyDocument is not an object")
    statements = document.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    if not isinstance(statements, list):
        raise MalformedPolicyError("policyDocument has no Statement")
    decision = Decision.IMPLICIT_DENY
    for statement in statements:
        if not _applies(statement, method_arn):
            continue
        if statement["Effect"] == "Deny":
            return Decision.EXPLICIT_DENY
        decision = Decision.ALLOW
    return decision


def _applies(statement: Any, method_arn: str) -> bool:
    if not isinstance(statement, Mapping) or statement.get("Effect") not in {"Allow", "Deny"}:
        raise MalformedPolicyError("a statement needs the Effect Allow or Deny")
    if unknown := statement.keys() - {"Sid", "Effect", "Action", "Resource"}:
        raise MalformedPolicyError(f"a statement with {', '.join(sorted(unknown))} is not evaluated here")
    actions, resources = (_patterns(statement, name) for name in ("Action", "Resource"))
    return any(_matches(pattern.lower(), _ACTION.lower()) for pattern in actions) and any(
        _matches(pattern, method_arn) for pattern in resources
    )


def _patterns(statement: Mapping[str, Any], name: str) -> list[str]:
    value = statement.get(name)
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise MalformedPolicyError(f"a statement needs {name}, a string or a list of strings")
    return patterns


def _matches(pattern: str, value: str) -> bool:
    """IAM's wildcards: `*` is any run of characters, `?` is one."""
    expression = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(expression, value, re.DOTALL) is not None
