"""An expression is parsed once, not once for every item that it is applied to, and a statement's text once for all.

AWS: a Query reads up to 1 MB, thousands of items, in some tens of milliseconds.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html

MiniStack reads filters and conditions again for each item: a partition of 1,000 connections takes it 100 ms, in which
it answers nobody else, and a broadcast waits for that. It reads each PartiQL statement of a batch twice, a millisecond
in all, though hundreds in a row have the same text: rows that are deleted and sessions that forget their connections
when a crowd leaves.

Patched: the three functions that take nearly all of that time and depend on a text alone, both `_tokenize` and
`_condition_syntax_error`: they are called as they are, and their answers are remembered. And `_parse_partiql`: its last
answer serves the second call for the same statement and parameters, and calls for the same text with other parameters.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from ministack.services import _dynamodb_keywords, dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_EXPRESSIONS = 1_024
_PARTS = ("where", "assignments")

_tokens_of = lru_cache(_EXPRESSIONS)(dynamodb._tokenize)
_syntax_error_of = lru_cache(_EXPRESSIONS)(dynamodb._condition_syntax_error)
_statement_tokens_of = lru_cache(_EXPRESSIONS)(_dynamodb_keywords._tokenize)
_stock_parse_partiql = dynamodb._parse_partiql


def gap(_options: Options) -> Gap:
    """Cache the parsed form of an expression's text."""
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
            Patch(
                "ministack.services._dynamodb_keywords:_tokenize",
                "e02998de3036a71702267501bb9b85a197a5774511ed2abdec8005b1e86cc48d",
                _tokenize_statement,
            ),
            Patch(
                "ministack.services.dynamodb:_parse_partiql",
                "34f90fe3b74ee60c7c6e876510ff52e3ab67047b8dd5560db0d47211b71068ff",
                _Statements().parse,
            ),
            Patch(
                "ministack.services.dynamodb:_batch_execute_statement",
                "122071342bc67ddddd3d62bebecc2c5bec3f2ff00d7fc51bed22e373b3601a02",
            ),
        ),
    )


def _tokenize(expr: str) -> list[Any]:
    return list(_tokens_of(expr))


def _condition_syntax_error(expr: str, slot: str) -> str | None:
    found: str | None = _syntax_error_of(expr, slot)
    return found


def _tokenize_statement(text: str) -> list[Any]:
    return list(_statement_tokens_of(text))


class _Statements:
    """Parsed statements that change an item.

    A batch has each one parsed by itself, and again to carry it out: the last one is kept. One of the same text whose
    parameters are of the same types is not parsed again: its parameters take the places of the earlier ones.
    """

    def __init__(self) -> None:
        self._last: tuple[str, Any, Any] = ("", None, None)
        self._known: dict[tuple[str, ...], _Known] = {}

    def parse(self, statement: str, parameters: Any) -> Any:
        """The parsed statement. Parameters are compared by identity, which a batch keeps."""
        last_statement, last_parameters, parsed = self._last
        if statement != last_statement or parameters is not last_parameters or not parameters:
            parsed = self._parsed(statement, parameters)
            self._last = (statement, parameters, parsed)
        return parsed

    def _parsed(self, statement: str, parameters: Any) -> Any:
        key = (statement, *(next(iter(each), "") for each in parameters or ()))
        if (known := self._known.get(key)) is not None:
            return known.bound(parameters)
        parsed = _stock_parse_partiql(statement, parameters)
        if parsed["op"] in {"UPDATE", "DELETE"}:
            places = {id(each): place for place, each in enumerate(parameters or ())}
            parts = {part: _rebuilt(parsed[part], places) for part in _PARTS if part in parsed}
            if sum(part.places for part in parts.values()) == len(places):
                if len(self._known) >= _EXPRESSIONS:
                    self._known.clear()
                self._known[key] = _Known(parsed, parts)
        return parsed


class _Part(NamedTuple):
    """Builder of a part of a parsed statement from its parameters, with the number of places of each."""

    build: Callable[[list[Any]], Any]
    places: int


@dataclass(frozen=True, slots=True)
class _Known:
    """A parsed statement, and the parts that contain its parameters."""

    parsed: Any
    parts: dict[str, _Part]

    def bound(self, parameters: list[Any]) -> Any:
        """The statement with other parameters of the same types; ValueError for an illegal one, as when parsed."""
        for each in parameters:
            if error := dynamodb._partiql_parameter_error(each):
                raise ValueError(error)
        bound = self.parsed | {name: part.build(parameters) for name, part in self.parts.items()}
        where = bound["where"]
        bound["where_fn"] = None if where is None else lambda item: dynamodb._pq_truthy(dynamodb._pq_eval(where, item))
        bound["conditions"] = dynamodb._pq_conditions(where)
        return bound


def _rebuilt(node: Any, places: dict[int, int]) -> _Part:
    """Return what builds the same part again; parameters are known by their identity."""
    if isinstance(node, dict) and (place := places.get(id(node))) is not None:
        return _Part(itemgetter(place), 1)
    if isinstance(node, tuple | list):
        parts = [_rebuilt(each, places) for each in node]
        if found := sum(part.places for part in parts):
            kind, builds = type(node), [part.build for part in parts]
            return _Part(lambda parameters: kind([build(parameters) for build in builds]), found)
    return _Part(lambda _: node, 0)
