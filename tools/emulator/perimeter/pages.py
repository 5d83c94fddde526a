"""Refuses requests that a web page has sent, or has got a browser to send.

A page on any origin can send requests to a server on this machine. Browsers say where such a request comes from, and a
page cannot change that: https://fetch.spec.whatwg.org/#origin-header and https://www.w3.org/TR/fetch-metadata/. A page
whose own name leads to 127.0.0.1 (DNS rebinding) counts as the same origin, but its name is in the `Host` header.
"""

from collections.abc import Mapping
from typing import Final

_NAMES: Final = (b"127.0.0.1", b"localhost")
_OWN_SITES: Final = frozenset((b"same-origin", b"none"))
"""`none` is a person's own doing, such as an address that was typed in."""

_UNKNOWN_HOST: Final = "The Host header does not name this server: use 127.0.0.1 or localhost, and the server's port."
_FOREIGN_PAGE: Final = "A web page of another origin sent this request."


class PageFilter:
    """Knows the names of one server, by its port."""

    def __init__(self, port: int) -> None:
        self._hosts = frozenset(b"%s:%d" % (name, port) for name in _NAMES)

    def host_refusal(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Tell why a request is not meant for this server; None if it is."""
        return None if headers.get(b"host") in self._hosts else _UNKNOWN_HOST

    def page_refusal(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Tell why a request that no other origin's page may send is refused; None if it is not."""
        if headers.get(b"sec-fetch-site", b"none") not in _OWN_SITES:
            return _FOREIGN_PAGE
        origin = headers.get(b"origin")
        if origin is None or origin == b"http://" + headers.get(b"host", b""):
            return None
        return _FOREIGN_PAGE
