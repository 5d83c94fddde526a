"""Variables in policies stand for values of the request: `${aws:PrincipalTag/tenantId}`.

AWS replaces them in resources and in the values of string and ARN conditions; a statement with a variable that has no
value, or more than one, does not apply; `${name, 'default'}` has a value of its own then.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html

MiniStack takes them for text.

Patched: `_first_match`, which compares statements with a request, and `_conditions_met`. `${*}`, `${?}` and `${$}` are
not carried over: a statement with one of them never applies.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import re
from dataclasses import replace
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext, ParsedStatement

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_VARIABLE = re.compile(r"\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}")
_STOCK_FIRST_MATCH = iam_evaluator._first_match
_STOCK_CONDITIONS_MET = iam_evaluator._conditions_met


class _NoValueError(Exception):
    """A variable stands for nothing in this request."""


def gap(_options: Options) -> Gap:
    """Replace variables before statements are compared."""
    return Gap(
        patches=(
            Patch(
                "ministack.core.iam_evaluator:_first_match",
                "dc96ef4846c742126bf10b8f9e434cb105140526498de8234d136b36db8df463",
                first_match,
            ),
            Patch(
                "ministack.core.iam_evaluator:_conditions_met",
                "15b4c24a03e3ff173cb97d5adec29f2135f6e0468f39dde9b18e013e26f3c5aa",
                conditions_met,
            ),
            Patch(
                "ministack.core.iam_evaluator:_resolve_condition_key",
                "15e26964cd38f32c421942a5542a689cb51b63a4e8f746932323a9aeb1caba0c",
            ),
        ),
    )


def first_match(ctx: EvalContext, stmts: list[ParsedStatement], effect: str) -> ParsedStatement | None:
    """The first statement of this effect that applies to the request."""
    return next(
        (
            stmt
            for stmt in stmts
            if stmt.effect == effect and _STOCK_FIRST_MATCH(ctx, _with_resources(stmt, ctx), effect)
        ),
        None,
    )


def conditions_met(conditions: dict[str, Any], ctx: EvalContext) -> bool:
    """Tell whether all conditions of a statement hold for the request."""
    try:
        replaced = {
            operator: {key: _replaced(values, ctx) for key, values in block.items()}
            for operator, block in (conditions or {}).items()
        }
    except _NoValueError:
        return False
    met: bool = _STOCK_CONDITIONS_MET(replaced, ctx)
    return met


def _with_resources(stmt: ParsedStatement, ctx: EvalContext) -> list[ParsedStatement]:
    if not any("${" in resource for resource in (*stmt.resources, *stmt.not_resources)):
        return [stmt]
    try:
        return [
            replace(
                stmt,
                resources=_replaced(stmt.resources, ctx),
                not_resources=_replaced(stmt.not_resources, ctx),
            )
        ]
    except _NoValueError:
        return []


def _replaced(value: Any, ctx: EvalContext) -> Any:
    if isinstance(value, list):
        return [_replaced(each, ctx) for each in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    return _VARIABLE.sub(lambda variable: _value(variable, ctx), value)


def _value(variable: re.Match[str], ctx: EvalContext) -> str:
    name, default = variable.groups()
    value = iam_evaluator._resolve_condition_key(name, ctx)
    if value is None or isinstance(value, list):
        value = default
    if value is None:
        raise _NoValueError
    return str(value)
