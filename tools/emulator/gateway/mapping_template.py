"""Mapping templates in Velocity's language: for API Gateway's request to a service, and for the client's answer.

The variables are those of
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
as far as text needs them; rendering is airspeed's.
"""

import base64
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote_plus

import airspeed

_parsed: Callable[[str], Any] = lru_cache(maxsize=256)(airspeed.Template)


def render(template: str, body: str, context: Mapping[str, Any], stage_variables: Mapping[str, str]) -> str:
    """The template's text, with `$input.body`, `$context`, `$stageVariables` and `$util`."""
    variables = {"input": {"body": body}, "context": context, "stageVariables": stage_variables, "util": _UTIL}
    text: str = _parsed(template).merge(variables)
    return text


def _url_encode(text: str | None) -> str:
    """As java.net.URLEncoder writes a form's values: a space is `+`, and `*-._` stay."""
    return quote(text or "", safe="*-._ ").replace("~", "%7E").replace(" ", "+")


def _escape_javascript(text: str | None) -> str:
    """As Apache's StringEscapeUtils does: quotes of both kinds and `/`, too; what isn't ASCII in UTF-16 units."""
    units = (text or "").encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    return "".join(_ESCAPES.get(code) or (chr(code) if 32 <= code < 127 else f"\\u{code:04X}") for code in codes)


_ESCAPES = {ord(plain): f"\\{escaped}" for plain, escaped in zip("\b\n\t\f\r'\"\\/", "bntfr'\"\\/", strict=True)}
_UTIL = {
    "urlEncode": _url_encode,
    "urlDecode": unquote_plus,
    "escapeJavaScript": _escape_javascript,
    "base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "base64Decode": lambda text: base64.b64decode(text).decode(),
}
