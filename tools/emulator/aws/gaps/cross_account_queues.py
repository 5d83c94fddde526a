"""A function reads queues of another account, in its own Region, if the queue's policy and its own role allow it.

AWS: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-cross-account-example.html and, for the Region,
https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html. Lambda calls the queue with the function's role, when the
mapping is made and at every poll. Without permission it reads nothing more, and messages that it may not delete are
delivered again.

MiniStack refuses to make the mapping.

Patched: `_require_same_account_region_arn`, which gets an event source's account and Region, and `_create_esm`, which
gets the function. `queue_mappings` asks `may` before each of its calls.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext
from ministack.core.responses import get_account_id, get_region
from ministack.services import lambda_svc, sqs

from tools.emulator.aws.gaps import Gap, queue_visibility
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_REQUIRE_SAME_ACCOUNT_REGION_ARN = lambda_svc._require_same_account_region_arn
_STOCK_CREATE_ESM = lambda_svc._create_esm

_CALLS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")


def gap(_options: Options) -> Gap:
    """Let mappings read queues of other accounts."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.lambda_svc:_require_same_account_region_arn",
                "104228b63d7d3591fcd1b31c5632f83606a608693ff3b56433b122fd88868042",
                _require_same_account_region_arn,
            ),
            Patch(
                "ministack.services.lambda_svc:_create_esm",
                "d351521bb6cdd30f024e04df12e2d607b091241cc46538f91b6ce693f5e9f2be",
                _create_esm,
            ),
            Patch(
                "ministack.core.iam_evaluator:combine_resource_policy",
                "3972f81213f8b84bec2ac2f68aae541fffe3a0bef0f804e226d015ed966a4a28",
            ),
        ),
    )


def may(action: str, queue_arn: str, function_name: str, qualifier: str | None) -> bool:
    """Tell whether a function of the account that is served now may do this with the queue.

    In the function's own account MiniStack never asks, and neither does this.
    """
    _, _, _, region, owner, _ = queue_arn.split(":")
    account = get_account_id()
    if owner == account:
        return True
    _, function = lambda_svc._get_func_record_for_qualifier(function_name, qualifier)
    found = sqs.queue_policy_for_arn(queue_arn)
    if function is None or found is None:
        return False
    role = function["Role"].rpartition("/")[2]
    context = EvalContext(
        principal_arn=f"arn:aws:sts::{account}:assumed-role/{role}/{function_name}",
        principal_type="AssumedRole",
        principal_account=account,
        action=f"sqs:{action}",
        resource_arn=queue_arn,
        region=region,
    )
    identity = iam_evaluator.evaluate(context, iam_evaluator._gather_role_policies(role, account))
    decision: str = iam_evaluator.combine_resource_policy(identity, context, *found).decision
    return decision == "Allow"


def _require_same_account_region_arn(spec: Any, target_arn: str, target_kind: str) -> Any:
    if target_kind != "event source" or spec.service != "sqs" or spec.account_id == get_account_id():
        return _STOCK_REQUIRE_SAME_ACCOUNT_REGION_ARN(spec, target_arn, target_kind)
    if spec.region != get_region():
        return lambda_svc._invalid_parameter_value(
            f"The {target_kind} ARN {target_arn} must be in the same region as the Lambda function."
        )
    return None


def _create_esm(data: dict[str, Any]) -> Any:
    arn = data.get("EventSourceArn", "")
    name, qualifier, error = lambda_svc._resolve_existing_esm_function(data.get("FunctionName", ""))
    if error is None and arn.split(":")[2:4] == ["sqs", get_region()]:
        for action in _CALLS:
            if not may(action, arn, name, qualifier):
                return lambda_svc._invalid_parameter_value(
                    f"The provided execution role does not have permissions to call {action} on SQS"
                )
        if refused := queue_visibility.refusal(arn, name, qualifier):
            return refused
    return _STOCK_CREATE_ESM(data)
