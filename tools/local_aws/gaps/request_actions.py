"""A request is the actions that IAM knows it as: of a batch each message's, of PartiQL each row's, of Lambda its own.

AWS: see `tools.local_aws.request_actions`.

MiniStack asks for an action of the request's own name, and takes many of Lambda's requests for others.

Patched: `extract_iam_action`, which says what a request's action is, and `dynamodb_transaction_checks`, which divides a
request of DynamoDB into actions on tables: here, statements of PartiQL too. One that cannot be read is left as it is,
so that nobody but root may carry it out.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
from typing import Any

from ministack.core import iam_actions

from tools.local_aws.gaps import Gap
from tools.local_aws.options import Options
from tools.local_aws.patching import Patch
from tools.local_aws.request_actions import action_of_batch, each_statement, lambda_action, statement_action

_PARTIQL = ("dynamodb:BatchExecuteStatement", "dynamodb:ExecuteStatement", "dynamodb:ExecuteTransaction")
_STOCK_EXTRACT = iam_actions.extract_iam_action
_STOCK_CHECKS = iam_actions.dynamodb_transaction_checks


def gap(_options: Options) -> Gap:
    """Take requests for what they are made of."""
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
        ),
    )


def _extract_iam_action(*request: Any) -> str | None:
    action: str | None = _STOCK_EXTRACT(*request)
    service, method, path, *_ = request
    if service == "lambda" and action:
        action = lambda_action(method, path) or action
    return action_of_batch(action) if action else None


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
