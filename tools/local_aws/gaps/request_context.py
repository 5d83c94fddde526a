"""Conditions see what a request says of roles and of Lambda's mappings; what a request is about is known by its ARN.

AWS: `iam:PermissionsBoundary` is the boundary that a request sets, or that the role has which it gives rights to;
`iam:PolicyARN` the policy that it attaches; `lambda:FunctionArn` the function of a mapping. A role's ARN has its path,
a rule of the default bus has no bus, and a function that is to be has the ARN that it will have.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html

MiniStack has none of these keys, leaves the path out and the bus in, and takes a request about tags, a rule's targets,
a subscription or a new function for one about everything.

Patched: `extract_resource_arn` and `request_tag_context`, which read a request, and `enforce`, which decides on it; if
the launcher was told to, it also writes down which action on which resource was allowed to whom.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.responses import get_account_id
from ministack.services import iam, lambda_svc

from tools.local_aws.gaps import Gap
from tools.local_aws.options import Options
from tools.local_aws.patching import Patch

_SET_BOUNDARY = {"iam:CreateRole", "iam:PutRolePermissionsBoundary"}
_GIVE_RIGHTS = {
    "iam:AttachRolePolicy",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
}
_NAMING = {"dynamodb", "events", "lambda", "logs", "sns"}
_ARNS = ("ResourceArn", "ResourceARN", "resourceArn", "SubscriptionArn")
_STOCK_ARN = iam_actions.extract_resource_arn
_STOCK_CONTEXT = iam_actions.request_tag_context
_STOCK_ENFORCE = iam_evaluator.enforce


def gap(options: Options) -> Gap:
    """Tell conditions what they ask for."""
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_actions:extract_resource_arn",
                "82f51700695c62fdca72583e1c264cc146fc22d5aa0a5faebabc3aa0a798f2e9",
                resource_arn,
            ),
            Patch(
                "ministack.core.iam_actions:request_tag_context",
                "d46adb816e024778849a7919c64f0d53773c5b181cc759ce69db89215ce77154",
                context,
            ),
            Patch(
                "ministack.core.iam_evaluator:enforce",
                "cf64b1ee5b099c8f705e919a43bd7b354e4772f150edb89f8218c930b8550c8c",
                Enforcement(options.allowed_file),
            ),
        ),
    )


def resource_arn(service: str, *request: Any) -> str:
    """The ARN of what a request is about."""
    _method, path, _headers, body, params, region, account = request
    arn: str = _STOCK_ARN(service, *request)
    if service == "iam" and (name := iam_actions._query_param(params, "RoleName")):
        below = (iam._roles.get(name) or {}).get("Path") or iam_actions._query_param(params, "Path") or "/"
        return f"arn:aws:iam::{get_account_id()}:role{below}{name}"
    if service == "events" and (rule := _fields(body).get("Rule")):
        return f"arn:aws:events:{region}:{account}:rule/{rule}"
    if arn == "*" and service in _NAMING:
        given = _fields(body) or {name: iam_actions._query_param(params, name) for name in params}
        arn = next((str(given[name]) for name in _ARNS if given.get(name)), arn)
        if service == "lambda" and path.endswith("/functions") and (name := given.get("FunctionName")):
            return f"arn:aws:lambda:{region}:{account}:function:{name}"
    return arn.replace(":rule/default/", ":rule/")


def _fields(body: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        fields = json.loads(body)
        return fields if isinstance(fields, dict) else {}
    return {}


def context(service: str, action: str, body: bytes, params: Any) -> dict[str, Any]:
    """What the request itself says, by the names of conditions' keys."""
    keys: dict[str, Any] = _STOCK_CONTEXT(service, action, body, params)
    if action in _SET_BOUNDARY and (boundary := iam_actions._query_param(params, "PermissionsBoundary")):
        keys["iam:permissionsboundary"] = boundary
    if action in _GIVE_RIGHTS:
        role = iam._roles.get(iam_actions._query_param(params, "RoleName")) or {}
        if boundary := role.get("PermissionsBoundary"):
            keys["iam:permissionsboundary"] = boundary
        if policy := iam_actions._query_param(params, "PolicyArn"):
            keys["iam:policyarn"] = policy
    if action == "lambda:CreateEventSourceMapping":
        keys["lambda:functionarn"] = _fields(body).get("FunctionName", "")
    return keys


class Enforcement:
    """The stock decision, told the function of a mapping that is there; what it allows may be noted in a file."""

    def __init__(self, allowed: Path | None) -> None:
        self._allowed = allowed

    def __call__(self, *request: str, resource_arn: str = "*", service_context: dict[str, Any] | None = None) -> Any:
        """None if the request is allowed, else why not."""
        access_key, action, _service, _region = request
        mapping = lambda_svc._esms.get(resource_arn.rpartition(":event-source-mapping:")[2])
        keys = {**({"lambda:functionarn": mapping["FunctionArn"]} if mapping else {}), **(service_context or {})}
        refusal = _STOCK_ENFORCE(*request, resource_arn=resource_arn, service_context=keys)
        if self._allowed is not None and refusal is None:
            line = json.dumps({"accessKeyId": access_key, "action": action, "resource": resource_arn})
            with self._allowed.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        return refusal
