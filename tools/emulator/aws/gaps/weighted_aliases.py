"""An alias with weights leads a share of its invocations to a second version.

AWS: "Lambda uses a simple probabilistic model to distribute the traffic between the two function versions".
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html

MiniStack keeps the weights and ignores them. It also forgets which alias an API or a rule has called.

Patched: where the function of an integration or a target is looked up (`_get_func_record_for_ref`), so that the alias
is known when it is invoked. The gap `lambda_workers`, through which all invocations go, asks for the version. The
header X-Amz-Executed-Version still names the alias's own.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import random
from typing import Any

from ministack.services import lambda_svc

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_LOOKUP = lambda_svc._get_func_record_for_ref


def gap(_options: Options) -> Gap:
    """Keep the alias with what is invoked."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.lambda_svc:_get_func_record_for_ref",
                "492b4efe8f903a0fb18131e79a26799e296cc6e65e07aef56fb94fc597324c3e",
                _looked_up,
            ),
        ),
    )


def chosen(record: dict[str, Any], config: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The record and configuration of the version that this invocation goes to."""
    function = lambda_svc._functions.get(config["FunctionName"]) or {}
    _, qualifier = lambda_svc._resolve_name_and_qualifier(config["FunctionArn"])
    alias = function.get("aliases", {}).get(qualifier, {})
    weights: dict[str, float] = alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {})
    for version, weight in weights.items():
        if random.random() < weight:  # noqa: S311 (no secret)
            other = function["versions"][version]
            return other, {**other["config"], "FunctionArn": config["FunctionArn"]}
    return record, config


def _looked_up(function_ref: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None, str]:
    record, config, name = _STOCK_LOOKUP(function_ref)
    if config is not None and function_ref.startswith("arn:aws:lambda:"):
        config = {**config, "FunctionArn": function_ref}
    return record, config, name
