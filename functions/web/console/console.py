"""The web page, its parts, and the QR code of its address.

| route | answers | |---|---| | `GET /` | the page, revalidated at every visit | | `GET /assets/{version}/{file}` | a
part of it, immutable under its version; 404 | | `GET /qr.svg` | the QR code of the page's own address |

The page is self-contained: it loads nothing from other hosts, and its documents have no inline scripts or styles.
"""

import hashlib
import html
import io
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import urlsplit

import segno

from loudhailer import codec
from loudhailer.http import Response, respond
from loudhailer.observability import count

_INDEX = "index.html"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_REVALIDATED = "no-cache"
_FOR_EVER = "public, max-age=31536000, immutable"

# https://owasp.org/www-project-secure-headers/ and https://www.w3.org/TR/CSP3/
_SECURITY = {
    "strict-transport-security": "max-age=31536000",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A text that is served, and its entity tag."""

    text: str
    content_type: str
    etag: str

    @classmethod
    def of(cls, name: str, text: str) -> "Document":
        """Return the document of that name; its ending determines its type."""
        return cls(text, _TYPES[Path(name).suffix], f'"{_digest(text.encode())}"')


def read_files(root: Path) -> dict[str, str]:
    """Return the files of the page and of its client by name; the root is a checkout's, or Lambda's task root."""
    folders = (root / "functions" / "web" / "console" / "page", root / "clients" / "javascript" / "src")
    return {path.name: path.read_text() for folder in folders for path in sorted(folder.iterdir())}


class Console:
    """Answers one request of an HTTP API from files in memory."""

    def __init__(
        self,
        files: Mapping[str, str],
        configuration: Mapping[str, object],
        *,
        page_url: str,
        websocket_url: str,
        cell_hosts: Callable[[], Collection[str]] = tuple,
    ) -> None:
        parts = {name: text for name, text in files.items() if name != _INDEX}
        self._version = _digest(codec.canonical(parts))
        self._parts = {name: Document.of(name, text) for name, text in parts.items()}
        self._index = Document.of(
            _INDEX,
            Template(files[_INDEX]).substitute(
                assets=f"assets/{self._version}", configuration=html.escape(codec.encode_text(configuration))
            ),
        )
        self._page_url = page_url
        self._websocket_url = websocket_url
        self._cell_hosts = cell_hosts
        self._routes: dict[str, Callable[[Mapping[str, Any]], Response]] = {
            "GET /": self._get_index,
            "GET /assets/{version}/{file}": self._get_part,
            "GET /qr.svg": self._get_qr_code,
        }

    def __call__(self, event: Mapping[str, Any]) -> Response:
        """Return the response to a request in payload format 2.0; its `routeKey` is one of the routes above."""
        return self._routes[event["routeKey"]](event)

    def _get_index(self, event: Mapping[str, Any]) -> Response:
        count("PageServed")
        return self._serve(event, self._index, _REVALIDATED)

    def _get_part(self, event: Mapping[str, Any]) -> Response:
        part = self._parts.get(event["pathParameters"]["file"])
        if part is None or event["pathParameters"]["version"] != self._version:
            return respond(404, {"message": "Not Found"}, self._headers)
        return self._serve(event, part, _FOR_EVER)

    def _get_qr_code(self, event: Mapping[str, Any]) -> Response:
        # Use API Gateway's own request context: the caller cannot choose the address in the QR code.
        context = event["requestContext"]
        address = self._page_url.format(domainName=context["domainName"], apiId=context["apiId"])
        return self._serve(event, _qr_code(address), _REVALIDATED)

    @property
    def _headers(self) -> dict[str, str]:
        return _SECURITY | {"content-security-policy": _policy(self._websocket_url, self._cell_hosts())}

    def _serve(self, event: Mapping[str, Any], document: Document, cache_control: str) -> Response:
        headers = self._headers | {"etag": document.etag, "cache-control": cache_control}
        if _knows(event, document.etag):
            return {"statusCode": 304, "headers": headers}
        return {"statusCode": 200, "headers": headers | {"content-type": document.content_type}, "body": document.text}


def _policy(websocket_url: str, cell_hosts: Collection[str]) -> str:
    """Allow connections to the page's own host and its WebSocket APIs only, and no HTML made from strings."""
    sockets = urlsplit(websocket_url)
    sources = ["'self'", f"{sockets.scheme}://{sockets.netloc}", *cell_hosts]
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            f"connect-src {' '.join(sources)}",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _knows(event: Mapping[str, Any], etag: str) -> bool:
    """Tell whether the client has this version: https://www.rfc-editor.org/rfc/rfc9110#name-if-none-match."""
    known = event.get("headers", {}).get("if-none-match", "").split(",")
    return not {etag, "*"}.isdisjoint(tag.strip().removeprefix("W/") for tag in known)


@lru_cache(maxsize=8)
def _qr_code(address: str) -> Document:
    image = io.BytesIO()
    code = segno.make_qr(address)
    code.save(image, kind="svg", xmldecl=False, omitsize=True, border=2, light="#fff", svgclass=None, lineclass=None)
    return Document.of("qr.svg", image.getvalue().decode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
