"""A policy is parsed once, not twice for every request.

AWS: IAM decides in well under a millisecond.

MiniStack parses all policies of the caller's role twice for each request, once for its name and once to decide: a tenth
of what deciding costs.

Patched: `parse_policy_document`. It is called as it is, and what it makes of a text is remembered for that text. A
policy that is changed is another text, and is seen at once.
"""

from functools import lru_cache
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import ParsedStatement

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_POLICIES = 1_024

_stock_parse = iam_evaluator.parse_policy_document
_statements_of = lru_cache(_POLICIES)(_stock_parse)


def gap(_options: Options) -> Gap:
    """Cache the parsed form of a policy's text."""
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_evaluator:parse_policy_document",
                "622a4f98a3ecd766a8af42b8f1d72902bb63a565e0c952c933230b4d403a1879",
                parse,
            ),
        ),
    )


def parse(doc: str | dict[str, Any]) -> list[ParsedStatement]:
    """A policy's statements; nobody changes them."""
    return list(_statements_of(doc)) if isinstance(doc, str) else list(_stock_parse(doc))
