"""An expression is parsed once, not once for every item that it is applied to.

AWS: a Query reads up to 1 MB, thousands of items, in some tens of milliseconds.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html

MiniStack reads filters and conditions anew for each item: a partition of 1,000 connections takes it 100 ms, in which it
answers nobody else, and a broadcast waits for that.

Patched: the two functions that take nearly all of that time and depend on the expression's text alone, `_tokenize` and
`_condition_syntax_error`. Both are called as they are, and their answers are remembered.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from functools import lru_cache
from typing import Any

from ministack.services import dynamodb

from tools.local_aws.gaps import Gap
from tools.local_aws.options import Options
from tools.local_aws.patching import Patch

_EXPRESSIONS = 1_024

_tokens_of = lru_cache(_EXPRESSIONS)(dynamodb._tokenize)
_syntax_error_of = lru_cache(_EXPRESSIONS)(dynamodb._condition_syntax_error)


def gap(_options: Options) -> Gap:
    """Remember what an expression's text parses to."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:_tokenize",
                "6abb13395c3ee7b6bed700d93698f366a293827c83e24558ca8f7a43e06cd066",
                _tokenize,
            ),
            Patch(
                "ministack.services.dynamodb:_condition_syntax_error",
                "5213f1ffac34e6cb994accd2003b2342c4ff1c9175cb4b22dff65a7bf76a38c5",
                _condition_syntax_error,
            ),
        ),
    )


def _tokenize(expr: str) -> list[Any]:
    return list(_tokens_of(expr))


def _condition_syntax_error(expr: str, slot: str) -> str | None:
    found: str | None = _syntax_error_of(expr, slot)
    return found
