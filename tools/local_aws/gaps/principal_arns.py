"""The principal of a role's session is the role.

AWS: "For IAM roles, the request context returns the ARN of the role, not the ARN of the user that assumed the role."
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn

MiniStack gives the session's ARN, of STS, as `aws:PrincipalArn`.

Patched: `_resolve_condition_key`. A role's path is no part of its sessions' ARNs, and so is taken from the role.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import re
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.services import iam

from tools.local_aws.gaps import Gap
from tools.local_aws.options import Options
from tools.local_aws.patching import Patch

_SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")
_STOCK_RESOLVE_CONDITION_KEY = iam_evaluator._resolve_condition_key


def gap(_options: Options) -> Gap:
    """Name the role."""
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_evaluator:_resolve_condition_key",
                "15e26964cd38f32c421942a5542a689cb51b63a4e8f746932323a9aeb1caba0c",
                resolve_condition_key,
            ),
        ),
    )


def resolve_condition_key(key: str, ctx: EvalContext) -> Any:
    """The value of a condition key in this request; None if it has none."""
    session = _SESSION.fullmatch(ctx.principal_arn)
    if key.lower() != "aws:principalarn" or session is None:
        return _STOCK_RESOLVE_CONDITION_KEY(key, ctx)
    role = iam._roles.get_scoped(session["account"], None, session["role"])
    return role["Arn"] if role else f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}"
