"""A request is the actions that IAM knows it as: of a batch each message's, of PartiQL each row's, of Lambda its own.

The caller that passes a role to a service needs `iam:PassRole`, too; and a caller that tags a new resource needs
permission to tag it.

AWS: see `tools.emulator.aws.request_actions`, `tools.emulator.aws.passed_roles` and `tools.emulator.aws.tag_actions`.

MiniStack checks an action of the request's own name, and takes many of Lambda's requests for others. It lets every
caller pass any role and tag new resources.

Patched: `extract_iam_action`, which says what a request's action is, and `dynamodb_transaction_checks`, which divides a
request of DynamoDB into actions on tables: here, statements of PartiQL too. One that cannot be read is left as it is,
so that nobody but root may carry it out. `evaluate` decides on an action of each caller but root: here, on the roles
and the tags of its request as well. `access_denied_response` words the refusal.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from ministack.core import iam_actions, iam_evaluator
from ministack.core.iam_evaluator import EvalContext, EvalResult

from tools.emulator.aws.decisions import written_down
from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.passed_roles import passed_roles
from tools.emulator.aws.patching import Patch
from tools.emulator.aws.request_actions import action_of_batch, each_statement, lambda_action, statement_action
from tools.emulator.aws.tag_actions import tag_action

_PARTIQL = ("dynamodb:BatchExecuteStatement", "dynamodb:ExecuteStatement", "dynamodb:ExecuteTransaction")
_STOCK_EXTRACT = iam_actions.extract_iam_action
_STOCK_CHECKS = iam_actions.dynamodb_transaction_checks
_STOCK_EVALUATE = iam_evaluator.evaluate
_STOCK_RESPONSE = iam_actions.access_denied_response


class _Needed(NamedTuple):
    """An action that a request needs besides its own; on the same resource, unless it has one of its own."""

    action: str
    resource_arn: str | None = None
    passed_to: str | None = None


_besides: ContextVar[tuple[str | None, Sequence[_Needed]]] = ContextVar("besides", default=(None, ()))
"""Return the action of the request, and the further actions that it needs."""

_refused: ContextVar[tuple[str, str] | None] = ContextVar("refused", default=None)
"""The action besides its own that the request's caller may not do, and the resource."""


def gap(options: Options) -> Gap:
    """Check the actions that each request requires; log the decisions if an option says so."""
    decide = _STOCK_EVALUATE
    if options.decisions is not None:
        decide = written_down(decide, options.decisions, decision_of=attrgetter("decision"), value_of=_value_of)
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_actions:extract_iam_action",
                "ec476b92d969822b69c5b51b7c86cbc85794d3126a2f4c15f70f5444851cd5a6",
                _extract_iam_action,
            ),
            Patch(
                "ministack.core.iam_actions:dynamodb_transaction_checks",
                "684e748338e8727f8cf3ae2bc8a4ec5d347c91ecbf80d1469e8da21967f0f21e",
                _checks,
            ),
            Patch(
                "ministack.core.iam_actions:_dynamodb_table_arn",
                "22a42f4f35a313c154ce64297185d08932ac8eaeaf2cf0470c293c64868060b6",
            ),
            Patch(
                "ministack.core.iam_evaluator:evaluate",
                "2a5dd6932d1aca6a6e0759dca046354fdde705da759f8ea7fed9487e3bc49825",
                partial(_evaluate, decide),
            ),
            Patch(
                "ministack.core.iam_actions:access_denied_response",
                "3cc2e315f91f45daeb6160cb1c8250291fde007fa3e721acf72c8159838589a8",
                _access_denied_response,
            ),
            Patch(
                "ministack.core.iam_actions:identity_denial_message",
                "82f77b7767c60ba024d8908e6041007b2883a13fa2dec36754493c5728b1e690",
            ),
        ),
    )


def _value_of(key: str, context: EvalContext) -> Any:
    """The value of a condition's key, as the gap `request_context` has it: looked up when it is asked for."""
    return iam_evaluator._resolve_condition_key(key, context)


def _extract_iam_action(*request: Any) -> str | None:
    action: str | None = _STOCK_EXTRACT(*request)
    service, method, path, headers, body, *_ = request
    if service == "lambda" and action:
        action = lambda_action(method, path) or action
    action = action_of_batch(action) if action else None
    roles = passed_roles(service, method, path, headers.get("x-amz-target", ""), body)
    tagging = tag_action(action, path, body) if action else None
    needed = [_Needed("iam:PassRole", role.arn, role.service) for role in roles]
    _besides.set((action, [*needed, _Needed(tagging)] if tagging else needed))
    _refused.set(None)
    return action


def _evaluate(decide: Callable[..., EvalResult], context: EvalContext, *policies: Any) -> EvalResult:
    """The decision on an action and, if that is allowed, on what its request needs besides."""
    result = decide(context, *policies)
    action, besides = _besides.get()
    if result.decision != "Allow" or context.action != action:
        return result
    for needed in besides:
        asked = replace(context, action=needed.action, resource_arn=needed.resource_arn or context.resource_arn)
        if needed.passed_to:
            asked = replace(asked, service_context={"iam:passedtoservice": needed.passed_to})
        refused = decide(asked, *policies)
        if refused.decision != "Allow":
            _refused.set((asked.action, asked.resource_arn))
            return refused
    return result


def _access_denied_response(service: str, action: str, principal: str, request_id: str, **named: Any) -> Any:
    if (refused := _refused.get()) is not None:
        denied = named.get("explicit_deny", False)
        named["message"] = iam_actions.identity_denial_message(refused[0], principal, refused[1], denied)
    return _STOCK_RESPONSE(service, action, principal, request_id, **named)


def _checks(iam_action: str, body: bytes, region: str, account_id: str) -> list[tuple[str, str]]:
    if iam_action not in _PARTIQL:
        checks: list[tuple[str, str]] = _STOCK_CHECKS(iam_action, body, region, account_id)
        return checks
    try:
        found = dict.fromkeys(statement_action(each["Statement"]) for each in each_statement(json.loads(body)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return []
    return [
        (action, iam_actions._dynamodb_table_arn(f"{table}/index/{index}" if index else table, region, account_id))
        for action, table, index in found
    ]
