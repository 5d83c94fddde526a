"""IAM knows which partition keys a request reaches, as `dynamodb:LeadingKeys`.

AWS: see `tools.emulator.aws.leading_keys`.

MiniStack has no such key, so that a policy with `ForAllValues` allows every row of the table.

Patched: `dynamodb_service_context`, which reads the request's body, finds the keys; `enforce`, which is called once for
each table of the request, or for each action of a transaction, takes its own.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
from contextlib import suppress
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.services import dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.leading_keys import accesses
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_ACCESSES = "loudhailer:accesses"
_STOCK_CONTEXT = iam_actions.dynamodb_service_context
_STOCK_ENFORCE = iam_evaluator.enforce


def gap(_options: Options) -> Gap:
    """Tell IAM the partition keys."""
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_actions:dynamodb_service_context",
                "0f0021bdc8a3f13c08e31cc7148fc9ffc139fdf8e87d569ee49bb78859d1804f",
                _context,
            ),
            Patch(
                "ministack.core.iam_evaluator:enforce",
                "cf64b1ee5b099c8f705e919a43bd7b354e4772f150edb89f8218c930b8550c8c",
                _enforce,
            ),
            Patch(
                "ministack.core.iam_actions:dynamodb_resource_arns",
                "a7186900d54a313c3f28de72185cba2e134551562c9d23f88e070633d48e25c0",
            ),
            Patch(
                "ministack.services.dynamodb:_resolve_index_keys",
                "b8b98638729f99845e386561a9b50783a2432e905f170495e36fc06982892120",
            ),
        ),
    )


def _context(body: bytes) -> dict[str, Any]:
    context: dict[str, Any] = _STOCK_CONTEXT(body)
    # A request that DynamoDB does not know is refused as unknown, and by IAM because it has no key.
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        context[_ACCESSES] = [
            (access.action, _arn(access.table, access.index), access.keys)
            for access in accesses(json.loads(body or b"{}"), key_name)
        ]
    return context


def _enforce(  # noqa: PLR0917 (as it is called)
    access_key_id: str,
    iam_action: str,
    service: str,
    region: str,
    resource_arn: str = "*",
    service_context: dict[str, Any] | None = None,
) -> Any:
    context = dict(service_context or {})
    found = [
        keys for action, arn, keys in context.pop(_ACCESSES, ()) if arn == resource_arn and action in (None, iam_action)
    ]
    for keys in dict.fromkeys(found) or [()]:
        leading = {"dynamodb:LeadingKeys": list(keys)} if keys else {}
        denied = _STOCK_ENFORCE(access_key_id, iam_action, service, region, resource_arn, {**context, **leading})
        if denied:
            return denied
    return None


def _arn(table: str, index: str | None) -> str:
    arn: str = iam_actions._dynamodb_table_arn(table, get_region(), get_account_id())
    return arn if index is None else f"{arn}/index/{index}"


def key_name(table_name: str, index: str | None) -> str | None:
    """The partition key's attribute of a table, or of its index."""
    table = dynamodb._tables.get(table_name.rpartition("/")[2])
    if table is None:
        return None
    name: str = dynamodb._resolve_index_keys(table, index)[0]
    return name
