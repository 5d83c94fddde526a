"""Writes down what IAM has decided, so that a second engine can be asked the same.

One line of JSON for each decision: who asked for what, the policies that were looked at, and the answer. If decisions
differ only in the resource's name or the values of the context, the first few are kept.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

_ALIKE = 4
_GLOBAL_KEYS = (
    *("aws:PrincipalAccount", "aws:PrincipalArn", "aws:RequestedRegion", "aws:ResourceAccount", "aws:SecureTransport"),
    *("aws:SourceIp", "lambda:FunctionArn"),
)
"""Keys of conditions that MiniStack works out when a policy asks for them."""


class Statement(Protocol):
    """A statement of a policy, as MiniStack parses it."""

    effect: str
    actions: list[str]
    not_actions: list[str]
    resources: list[str]
    not_resources: list[str]
    conditions: dict[str, Any]


class DecisionContext(Protocol):
    """The action that is asked for, and the principal that asks."""

    principal_arn: str
    principal_account: str
    action: str
    resource_arn: str
    service_context: dict[str, Any]
    principal_keys: dict[str, Any]


type Policies = Sequence[Sequence[Statement]]


def written_down[R](
    evaluate: Callable[..., R],
    path: Path,
    *,
    decision_of: Callable[[R], str],
    value_of: Callable[[str, Any], Any],
) -> Callable[..., R]:
    """`evaluate`, which takes the context, the policies and their limits; each of its decisions goes to the file.

    Actions of a service in its own name, such as a topic that sends to a queue, are omitted: they have no policies of a
    caller.
    """
    alike: Counter[tuple[str, ...]] = Counter()

    def evaluate_and_write(context: DecisionContext, policies: Policies, *limits: Policies) -> R:
        result = evaluate(context, policies, *limits)
        decision = decision_of(result)
        if not context.principal_arn.startswith("arn:"):
            return result
        keys = {name: value_of(name, context) for name in _GLOBAL_KEYS}
        keys |= context.principal_keys | context.service_context
        keys = {name: value for name, value in keys.items() if value}
        who = "/".join(context.principal_arn.split("/")[:2])  # a role, whatever its session is called
        kind = (who, context.action, decision, *sorted(keys))
        alike[kind] += 1
        if alike[kind] <= _ALIKE:
            line = {
                "principal": context.principal_arn,
                "account": context.principal_account,
                "action": context.action,
                "resource": context.resource_arn,
                "context": keys,
                "policies": [_document(policy) for policy in policies],
                "limits": [[_document(policy) for policy in layer] for layer in limits],
                "decision": decision,
            }
            with path.open("a") as file:
                file.write(json.dumps(line) + "\n")
        return result

    return evaluate_and_write


def _document(statements: Iterable[Statement]) -> dict[str, Any]:
    """Return the policy; a statement without a resource is of a policy of the resource itself, as ECR has them."""
    parts = [
        {
            "Effect": statement.effect,
            "Action": statement.actions,
            "NotAction": statement.not_actions,
            "Resource": statement.resources or ([] if statement.not_resources else ["*"]),
            "NotResource": statement.not_resources,
            "Condition": statement.conditions,
        }
        for statement in statements
    ]
    return {
        "Version": "2012-10-17",
        "Statement": [{name: value for name, value in part.items() if value} for part in parts],
    }
