"""What comes over the loopback interface counts as TLS.

AWS: `aws:SecureTransport` is true for a request over TLS; policies refuse what is not.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-securetransport

The local AWS speaks plain HTTP, on 127.0.0.1 alone, where nobody can listen: such a policy would refuse everybody.

Patched: `_resolve_condition_key`, which says what a key's value is.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext

from tools.local_aws.gaps import Gap
from tools.local_aws.options import Options
from tools.local_aws.patching import Patch

_STOCK_RESOLVE = iam_evaluator._resolve_condition_key


def gap(_options: Options) -> Gap:
    """Take every request for one over TLS."""
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_evaluator:_resolve_condition_key",
                "15e26964cd38f32c421942a5542a689cb51b63a4e8f746932323a9aeb1caba0c",
                _resolve,
            ),
        ),
    )


def _resolve(key: str, ctx: EvalContext) -> Any:
    return "true" if key.lower() == "aws:securetransport" else _STOCK_RESOLVE(key, ctx)
