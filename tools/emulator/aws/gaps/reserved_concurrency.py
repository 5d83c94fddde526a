"""A function's reserved concurrency holds for all its versions and aliases.

AWS: "Reserved concurrency applies to the function as a whole, including versions and aliases"; beyond it, an
invocation answers 429 TooManyRequestsException.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html

MiniStack keeps the number with the function and looks for it in what is invoked, which for an alias is a version:
nothing there, so no limit. Terraform's functions are all invoked through an alias.

Patched: where the number is looked up (`_reserved_concurrency`).
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.services import lambda_svc

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch


def gap(_options: Options) -> Gap:
    """Look the reserved concurrency up with the function, whatever version is invoked."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.lambda_svc:_reserved_concurrency",
                "ebec4b4bba775119805da226a9f344a55259af044938d13af894fe2111220468",
                _reserved_concurrency,
            ),
        ),
    )


def _reserved_concurrency(_func: dict[str, Any], config: dict[str, Any]) -> int | None:
    function = lambda_svc._functions.get(config["FunctionName"]) or {}
    reserved: int | None = function.get("concurrency")
    return reserved
