"""Conditions see the roles and Lambda mappings that a request names, and the ARN of the request's resource.

AWS: `iam:PermissionsBoundary` is the boundary that a request sets, or that the role has which it gives rights to;
`iam:PolicyARN` the policy that it attaches; `lambda:FunctionArn` the function of a mapping; `sns:Endpoint` and
`sns:Protocol` those of a new subscription. A role's ARN has its path, and a rule of the default bus has no bus. A new
function already has its later ARN. A subscription is one of its topic's, provisioned concurrency one of its alias's.
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridge.html
https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonsns.html

`s3:if-none-match` and `s3:if-match` are the headers of a conditional write; parts of an upload have neither.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html

MiniStack has none of these keys, omits the path and includes the bus. It takes a request about tags, a rule's targets,
a subscription or a new function for one about everything.

`aws:SecureTransport` is true for a request over TLS, and policies refuse what is not; MiniStack speaks plain HTTP, on
127.0.0.1 alone, where nobody can listen: that counts as TLS, or such a policy would refuse every caller.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport

`aws:PrincipalArn` of a role's session is the role, with its path; MiniStack gives the session's ARN, of STS: "For IAM
roles, the request context returns the ARN of the role, not the ARN of the user that assumed the role."
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn

Patched: `extract_resource_arn`, `request_tag_context` and `s3_service_context`, which read a request, and
`_resolve_condition_key`, which says what a key's value is.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
import re
from contextlib import suppress
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_account_id
from ministack.services import iam, lambda_svc

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_SET_BOUNDARY = {"iam:CreateRole", "iam:PutRolePermissionsBoundary"}
_GIVE_RIGHTS = {
    "iam:AttachRolePolicy",
    "iam:DeleteRolePermissionsBoundary",
    "iam:DeleteRolePolicy",
    "iam:DetachRolePolicy",
    "iam:PutRolePolicy",
}
_NAMING = {"dynamodb", "events", "lambda", "logs", "monitoring", "sns"}
_ARNS = ("ResourceArn", "ResourceARN", "resourceArn")
_SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
_STOCK_ARN = iam_actions.extract_resource_arn
_STOCK_CONTEXT = iam_actions.request_tag_context
_STOCK_S3_CONTEXT = iam_actions.s3_service_context
_STOCK_VALUE = iam_evaluator._resolve_condition_key


def gap(_options: Options) -> Gap:
    """Add the values of condition keys to the request's context."""
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
                "ministack.core.iam_actions:s3_service_context",
                "83e53d14d02c3a916deffcd06258848ee893d7e6110c8110484ae5a8c00ddc69",
                context_of_s3,
            ),
            Patch(
                "ministack.core.iam_evaluator:_resolve_condition_key",
                "15e26964cd38f32c421942a5542a689cb51b63a4e8f746932323a9aeb1caba0c",
                value_of,
            ),
        ),
    )


def resource_arn(service: str, *request: Any) -> str:
    """Return the ARN of a request's resource."""
    _method, path, _headers, body, params, region, account = request
    arn: str = _STOCK_ARN(service, *request)
    if service == "iam" and (name := iam_actions._query_param(params, "RoleName")):
        below = (iam._roles.get(name) or {}).get("Path") or iam_actions._query_param(params, "Path") or "/"
        return f"arn:aws:iam::{get_account_id()}:role{below}{name}"
    if service == "events" and (rule := _fields(body).get("Rule")):
        return f"arn:aws:events:{region}:{account}:rule/{rule}"
    if service == "lambda" and path.endswith("/provisioned-concurrency"):
        arn = f"{arn}:{iam_actions._query_param(params, 'Qualifier')}"
    if arn == "*" and service in _NAMING:
        fields = _fields(body) or {name: iam_actions._query_param(params, name) for name in params}
        arn = next((str(fields[name]) for name in _ARNS if fields.get(name)), arn)
        if service == "sns" and (subscription := str(fields.get("SubscriptionArn") or "")):
            return subscription.rpartition(":")[0]
        if service == "monitoring" and (name := fields.get("AlarmNames.member.1")):
            return f"arn:aws:cloudwatch:{region}:{account}:alarm:{name}"
        if service == "lambda" and path.endswith("/functions") and (name := fields.get("FunctionName")):
            return f"arn:aws:lambda:{region}:{account}:function:{name}"
    return arn.replace(":rule/default/", ":rule/")


def _fields(body: bytes) -> dict[str, Any]:
    with suppress(ValueError):
        fields = json.loads(body)
        return fields if isinstance(fields, dict) else {}
    return {}


def context(service: str, action: str, body: bytes, params: Any) -> dict[str, Any]:
    """Return the values that the request itself contains, by condition key."""
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
    if action == "sns:Subscribe":
        keys["sns:endpoint"] = iam_actions._query_param(params, "Endpoint")
        keys["sns:protocol"] = iam_actions._query_param(params, "Protocol")
    return keys


def context_of_s3(
    action: str, query: dict[str, Any] | None, path: str = "", headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """The context of a request to S3, by the names of conditions' keys."""
    keys: dict[str, Any] = _STOCK_S3_CONTEXT(action, query, path, headers)
    if action == "s3:PutObject":
        sent = headers or {}
        keys |= {f"s3:{name}": sent[name] for name in ("if-match", "if-none-match") if sent.get(name)}
    return keys


def value_of(key: str, ctx: EvalContext) -> Any:
    """The value of a condition's key; None if the request has none."""
    name = key.lower()
    if name == "aws:securetransport":
        return "true"
    if name == "aws:principalarn" and (session := _SESSION.fullmatch(ctx.principal_arn)):
        # A role's path is no part of its sessions' ARNs.
        role = iam._roles.get_scoped(session["account"], None, session["role"])
        return role["Arn"] if role else f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
    mapping = lambda_svc._esms.get(ctx.resource_arn.rpartition(":event-source-mapping:")[2])
    if name == "lambda:functionarn" and mapping:
        return mapping["FunctionArn"]
    return _STOCK_VALUE(key, ctx)
