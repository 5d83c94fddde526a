"""A function whose timeout is longer than a queue hides a message does not read that queue.

When a mapping is created or updated, Lambda "will return an error if the function timeout exceeds the queue's
visibility timeout":
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
An existing mapping is not mentioned. So neither UpdateFunctionConfiguration, which may raise the one, is refused,
nor SetQueueAttributes, which may lower the other.

MiniStack makes any mapping.

Patched: `_update_esm`. `cross_account_queues` asks `refusal` before a mapping is made.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.services import lambda_svc, sqs

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_DEFAULT_SECONDS = "30"
_STOCK_UPDATE_ESM = lambda_svc._update_esm


def gap(_options: Options) -> Gap:
    """Refuse such a mapping."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.lambda_svc:_update_esm",
                "1b7e0409cb6593c28bb2f07d88164708766a882863f761fd7a47d2cb6f9365e1",
                _update_esm,
            ),
        ),
    )


def refusal(queue_arn: str, function_name: str, qualifier: str | None) -> Any:
    """Lambda's answer where the function may run longer than the queue hides a message; else None."""
    queue = sqs._queue_by_arn(queue_arn)
    _, function = lambda_svc._get_func_record_for_qualifier(function_name, qualifier)
    if queue is None or function is None:
        return None
    hidden, runs = int(queue["attributes"].get("VisibilityTimeout", _DEFAULT_SECONDS)), int(function["Timeout"])
    if hidden >= runs:
        return None
    return lambda_svc._invalid_parameter_value(
        f"Queue visibility timeout: {hidden} seconds is less than Function timeout: {runs} seconds"
    )


def _update_esm(esm_id: str, data: dict[str, Any]) -> Any:
    if esm := lambda_svc._esms.get(esm_id):
        name, qualifier = esm["FunctionName"], esm.get("Qualifier")
        if "FunctionName" in data:
            name, qualifier, error = lambda_svc._resolve_existing_esm_function(data["FunctionName"])
            if error:
                return error
        if refused := refusal(esm["EventSourceArn"], name, qualifier):
            return refused
    return _STOCK_UPDATE_ESM(esm_id, data)
