"""JSON, in and out. The only module that knows orjson."""

from typing import Any

import orjson

from loudhailer.errors import PermanentError


class NotJsonError(PermanentError):
    """The text is not JSON, or the value cannot be put into JSON: it is nested too deeply or has a lone surrogate."""


def encode(value: object, option: int = 0) -> bytes:
    """The value as compact JSON in UTF-8; keys keep their order."""
    try:
        return orjson.dumps(value, option=option)
    except orjson.JSONEncodeError as error:
        raise NotJsonError(f"not to be put into JSON: {error}") from error


def encode_text(value: object) -> str:
    """The value as compact JSON."""
    return encode(value).decode()


def verbatim(text: str) -> object:
    """A JSON text, for `encode` to put in as it stands; it must have been read as JSON before."""
    return orjson.Fragment(text)


def canonical(value: object) -> bytes:
    """The value as JSON with sorted keys: equal values give equal bytes, so that a hash can compare them."""
    return encode(value, orjson.OPT_SORT_KEYS)


def decode(text: str | bytes) -> Any:
    """The value of a JSON text; NotJsonError if it is none (NaN, lone surrogates and trailing text included)."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotJsonError(f"not JSON: {error}") from error


def decode_object(text: str | bytes) -> dict[str, Any]:
    """The value of a JSON text that holds an object; NotJsonError for anything else."""
    value = decode(text)
    if not isinstance(value, dict):
        raise NotJsonError("not a JSON object")
    return value
