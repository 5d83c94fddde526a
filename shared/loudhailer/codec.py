"""Encoding and decoding of JSON. Only this module uses orjson.

Values that clients send to each other are passed on as they wrote them: as a `JsonText`, which is checked to be JSON
and never re-encoded. So `18446744073709551616`, `1.10` and `1E2` arrive unchanged, although no Python value would
preserve them.
"""

import json
from collections.abc import Collection, Iterator
from math import isinf
from typing import Any, ClassVar, NewType

import orjson

from loudhailer.errors import ErrorCode, PermanentError

JsonText = NewType("JsonText", str)
"""A JSON value as its sender wrote it, which is known to be valid for `decode`."""


class NotJsonError(PermanentError):
    """The text is not JSON, or the value cannot be put into JSON.

    Its text is a predicate: "is not JSON".

    Attributes:
        code: what an error frame calls it.
    """

    code: ClassVar[ErrorCode] = ErrorCode.NOT_JSON


class UnsupportedJsonError(NotJsonError):
    """The text is JSON, but RFC 8259 lets a receiver refuse it, and this one does.

    https://www.rfc-editor.org/rfc/rfc8259#section-9 on numbers and nesting, #section-8.2 on lone surrogates
    """

    code = ErrorCode.UNSUPPORTED_JSON


MAX_DEPTH = 1_024
"""Most levels of nesting of a value: https://github.com/ijl/orjson#deserialize."""

_TOO_LITTLE_MEMORY = "failed to allocate memory"
"""Error message of orjson 3.13.0 for a document for which it allocates too little memory. The space after the first
bracket makes it expect indentation: `{ "message":[0,0, ...]}` with a thousand zeros."""

_NOT_FINITE = "has a number beyond the range of double precision, such as 1E400"
_LONE_SURROGATE = "has an escape that is half of a surrogate pair, such as \\ud800"
_TOO_DEEP = f"is nested more than {MAX_DEPTH:,} levels deep"


def encode(value: object, option: int = 0) -> bytes:
    """Return the value as compact JSON in UTF-8; keys keep their order."""
    try:
        return orjson.dumps(value, option=option)
    except orjson.JSONEncodeError as error:
        raise NotJsonError(f"cannot be put into JSON: {error}") from error


def encode_text(value: object) -> str:
    """Return the value as compact JSON."""
    return encode(value).decode()


def verbatim(text: JsonText) -> object:
    """Embed a JSON text in a value for `encode`, unchanged."""
    return orjson.Fragment(text)


def canonical(value: object) -> bytes:
    """Return the value as JSON with sorted keys: equal values give equal bytes, so that a hash can compare them."""
    return encode(value, orjson.OPT_SORT_KEYS)


def decode(text: str | bytes) -> Any:
    """Decode a JSON text; NotJsonError if it is not JSON (NaN and trailing text included), or not supported."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        if error.msg.startswith(_TOO_LITTLE_MEMORY):
            return decode(_unindented(text))
        raise _refusal(text) from error


def decode_object(text: str | bytes, *, verbatim: Collection[str] = ()) -> dict[str, Any]:
    """Decode a JSON object; NotJsonError for anything else.

    The members named by `verbatim` are not decoded: each is returned as a `JsonText`.
    """
    try:
        value = decode(text)
    except UnsupportedJsonError:
        raise
    except NotJsonError as error:
        raise NotJsonError("is not a JSON object") from error
    if not isinstance(value, dict):
        raise NotJsonError("is not a JSON object")
    if not value.keys().isdisjoint(verbatim):
        members = _members(text if isinstance(text, str) else text.decode())
        value |= {name: member for name, member in members if name in verbatim}
    return value


def elements(text: JsonText) -> list[JsonText]:
    """Return the elements of a list, each as its sender wrote it; NotJsonError if the value is no list."""
    if not text.startswith("["):
        raise NotJsonError("is not a list")
    found: list[JsonText] = []
    at = _skip(text, 1)
    while text[at] != "]":
        _, end = _SCANNER.raw_decode(text, at)
        found.append(JsonText(text[at:end]))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def json_text(value: object) -> JsonText:
    """Encode a value that Python's own parser made, such as an event from Lambda's runtime.

    Integers of any size are preserved. NotJsonError if the value cannot be encoded.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        text.encode()
    except UnicodeEncodeError as error:
        raise UnsupportedJsonError(_LONE_SURROGATE) from error
    except ValueError as error:
        raise UnsupportedJsonError(_NOT_FINITE) from error
    except RecursionError as error:
        raise UnsupportedJsonError(_TOO_DEEP) from error
    except TypeError as error:
        raise NotJsonError(f"cannot be put into JSON: {error}") from error
    decode(text)
    return JsonText(text)


# Python's parser finds the end of each value. Numbers are skipped: converting a long one is slow, or fails.
_SCANNER = json.JSONDecoder(parse_int=len, parse_float=len)
_SPACE = " \t\n\r"


def _members(text: str) -> Iterator[tuple[str, JsonText]]:
    """Yield the members of a text that is known to be an object, in order."""
    at = _skip(text, text.index("{") + 1)
    while text[at] != "}":
        name, at = json.decoder.scanstring(text, at + 1)  # type: ignore[attr-defined]  # typeshed leaves it out
        begin = _skip(text, _skip(text, at) + 1)
        _, end = _SCANNER.raw_decode(text, begin)
        yield name, JsonText(text[begin:end])
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _unindented(text: str | bytes) -> str | bytes:
    """Return the document without space after its first bracket: orjson then allocates enough memory."""
    document = text if isinstance(text, str) else text.decode()
    document = document.lstrip(_SPACE)
    unindented = document[:1] + document[1:].lstrip(_SPACE)
    if unindented == text:
        raise UnsupportedJsonError("takes too much memory")
    return unindented


def _refusal(text: str | bytes) -> NotJsonError:
    """Return the reason why orjson refuses a text: Python's parser, which accepts more, tells whether it is JSON."""
    numbers: list[float] = []

    def number(digits: str) -> None:
        numbers.append(float(digits))

    def constant(name: str) -> None:
        raise ValueError(name)

    try:
        text = text if isinstance(text, str) else text.decode()
        text.encode()
        value = json.loads(text, parse_int=number, parse_float=number, parse_constant=constant)
    except RecursionError:
        return UnsupportedJsonError(_TOO_DEEP)
    except ValueError:
        return NotJsonError("is not JSON")
    if any(map(isinf, numbers)):
        return UnsupportedJsonError(_NOT_FINITE)
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return UnsupportedJsonError(_LONE_SURROGATE)
    return UnsupportedJsonError(_TOO_DEEP)
