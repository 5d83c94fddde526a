"""DynamoDB's expressions as functions, for the tables of `engine.py`: as much of the language as the adapters use.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Expressions.OperatorsAndFunctions.html
"""

import operator
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from loudhailer.aws.rows import Item

type Names = Mapping[str, str]
type Values = Mapping[str, Any]
type Condition = Callable[[Item, Names, Values], bool]
type Operand = Callable[[Item, Names, Values], Any]
type Update = Callable[[Item, Names, Values], Item]

_TOKEN = re.compile(r"\s*(<=|>=|<>|[=<>(),]|[:#]?[A-Za-z_][A-Za-z0-9_]*)")
_CLAUSE = re.compile(r"\b(SET|REMOVE|ADD|DELETE)\b")
_COMMA = re.compile(r",(?![^(]*\))")
"""A comma between actions: not one between the arguments of a function."""

_IF_NOT_EXISTS = re.compile(r"if_not_exists\((\S+), (\S+)\)")
_LIST_APPEND = re.compile(r"list_append\((\S+), (\S+)\)")
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def plain(attribute: Any) -> tuple[str, Any]:
    """The type and the value of an attribute, as they compare."""
    ((kind, value),) = attribute.items()
    if kind == "N":
        return kind, int(value)
    return kind, frozenset(value) if kind == "SS" else value


@lru_cache(None)
def condition(text: str) -> Condition:
    """The function of a condition, a filter or a key condition."""
    parser = _Parser(_tokens(text))
    found = parser.either()
    parser.expect_end()
    return found


@lru_cache(None)
def key_condition(text: str) -> tuple[str, Condition | None]:
    """The placeholder of the hash key's value, and the condition on the range key, if there is one."""
    first, _, rest = text.partition(" AND ")
    return first.split(" = ")[1].strip(), condition(rest) if rest else None


@lru_cache(None)
def update(text: str) -> Update:
    """The function that makes an item's next version; the item itself stays as it is."""
    parts = _CLAUSE.split(text)
    actions = [
        _action(clause, action.strip())
        for clause, body in zip(parts[1::2], parts[2::2], strict=True)
        for action in _COMMA.split(body)
    ]

    def apply(item: Item, names: Names, values: Values) -> Item:
        changed = dict(item)
        for action in actions:
            action(changed, names, values)
        return changed

    return apply


@lru_cache(None)
def paths(text: str) -> tuple[str, ...]:
    """The paths of a projection or of an update."""
    return tuple(part.strip() for part in text.split(","))


@lru_cache(None)
def updated(text: str) -> tuple[str, ...]:
    """The paths that an update expression changes."""
    parts = _CLAUSE.split(text)
    return tuple(action.split()[0] for body in parts[2::2] for action in _COMMA.split(body))


def project(item: Item, text: str | None, names: Names) -> Item:
    """As much of the item as a projection asks for."""
    if text is None:
        return item
    wanted = (names.get(path, path) for path in paths(text))
    return {path: item[path] for path in wanted if path in item}


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ValueError(f"not an expression that these tables know: {text[at:]}")
        found.append(match[1])
        at = match.end()
    return found


class _Parser:
    """Reads a condition by recursive descent; IN is not read."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0

    def either(self) -> Condition:
        parts = [self._both()]
        while self._next_is("OR"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else lambda *one: any(part(*one) for part in parts)

    def expect_end(self) -> None:
        if self._at != len(self._tokens):
            raise ValueError(f"left of an expression: {self._tokens[self._at :]}")

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._next_is("AND"):
            parts.append(self._single())
        return parts[0] if len(parts) == 1 else lambda *one: all(part(*one) for part in parts)

    def _single(self) -> Condition:
        if self._next_is("NOT"):
            refused = self._single()
            return lambda *one: not refused(*one)
        if self._next_is("("):
            found = self.either()
            self._take(")")
            return found
        if self._peek() in {"attribute_exists", "attribute_not_exists"}:
            wanted = self._take() == "attribute_exists"
            path = self._path_in_parentheses()
            return lambda item, names, _: (names.get(path, path) in item) is wanted
        if self._peek() in _FUNCTIONS_OF_TWO:
            function = _FUNCTIONS_OF_TWO[self._take()]
            self._take("(")
            left = self._operand()
            self._take(",")
            right = self._operand()
            self._take(")")
            return lambda *one: function(left(*one), right(*one))
        left = self._operand()
        if self._next_is("BETWEEN"):
            low = self._operand()
            self._take("AND")
            high = self._operand()
            return lambda *one: (
                _compared(operator.le, low(*one), left(*one)) and _compared(operator.le, left(*one), high(*one))
            )
        compare = _COMPARE[self._take()]
        right = self._operand()
        return lambda *one: _compared(compare, left(*one), right(*one))

    def _operand(self) -> Operand:
        if self._next_is("size"):
            path = self._path_in_parentheses()
            return lambda item, names, _: _size(item.get(names.get(path, path)))
        token = self._take()
        if token.startswith(":"):
            return lambda _item, _names, values: values[token]
        return lambda item, names, _: item.get(names.get(token, token))

    def _path_in_parentheses(self) -> str:
        self._take("(")
        path = self._take()
        self._take(")")
        return path

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _next_is(self, token: str) -> bool:
        if self._peek() != token:
            return False
        self._at += 1
        return True

    def _take(self, expected: str | None = None) -> str:
        token = self._peek()
        if token is None or (expected is not None and token != expected):
            raise ValueError(f"expected {expected}, not {token}")
        self._at += 1
        return token


def _size(attribute: Any) -> Any:
    return None if attribute is None else {"N": str(len(next(iter(attribute.values()))))}


def _begins_with(left: Any, right: Any) -> bool:
    return left is not None and str(left["S"]).startswith(right["S"])


def _contains(container: Any, member: Any) -> bool:
    if container is None:
        return False
    return member in container["L"] if "L" in container else member["S"] in container["SS"]


_FUNCTIONS_OF_TWO: Mapping[str, Callable[[Any, Any], bool]] = {"begins_with": _begins_with, "contains": _contains}


def _compared(compare: Callable[[Any, Any], bool], left: Any, right: Any) -> bool:
    if left is None or right is None:
        return False
    (left_kind, one), (right_kind, other) = plain(left), plain(right)
    return left_kind == right_kind and compare(one, other)


def _action(clause: str, text: str) -> Callable[[Item, Names, Values], None]:
    match clause:
        case "SET":
            path, value = (part.strip() for part in text.split("="))
            if unless := _IF_NOT_EXISTS.fullmatch(value):
                former, new = unless.groups()
                return lambda item, names, values: item.__setitem__(
                    names.get(path, path), item.get(names.get(former, former), values[new])
                )
            if appended := _LIST_APPEND.fullmatch(value):
                former, more = appended.groups()
                return lambda item, names, values: item.__setitem__(
                    names.get(path, path), {"L": [*item[names.get(former, former)]["L"], *values[more]["L"]]}
                )
            return lambda item, names, values: item.__setitem__(names.get(path, path), values[value])
        case "REMOVE":
            return lambda item, names, _: item.pop(names.get(text, text), None)
        case _:
            path, value = text.split()
            change = _add if clause == "ADD" else take_out
            return lambda item, names, values: change(item, names.get(path, path), values[value])


def _add(item: Item, path: str, value: Any) -> None:
    kind, added = plain(value)
    if kind == "N":
        item[path] = {"N": str((plain(item[path])[1] if path in item else 0) + added)}
    else:
        item[path] = {"SS": sorted(added | set(item[path]["SS"] if path in item else ()))}


def take_out(item: Item, path: str, value: Any) -> None:
    """Take elements out of a set; an attribute whose set is empty is none."""
    if path not in item:
        return
    if remaining := sorted(set(item[path]["SS"]) - set(value["SS"])):
        item[path] = {"SS": remaining}
    else:
        del item[path]
