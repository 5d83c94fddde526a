"""A client's handshake, and the ids that API Gateway gives."""

import base64
import os
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl


def new_id() -> str:
    """An id as API Gateway makes them for connections, requests and messages, such as `L0SM9cOFvHcCIhw=`.

    11 random bytes in base64. AWS promises no alphabet; with `+`, `/` and `=` in it, who forgets to quote is found out.
    """
    return base64.b64encode(os.urandom(11)).decode()


@dataclass(frozen=True, slots=True)
class Handshake:
    """Request of a client to connect, kept for the events that carry it."""

    headers: tuple[tuple[str, str], ...]
    query: tuple[tuple[str, str], ...]
    source_ip: str

    @classmethod
    def read(cls, headers: list[tuple[str, str]], query_string: str, source_ip: str, port: int) -> "Handshake":
        """Add the headers that API Gateway adds."""
        trace = f"Root=1-{int(time.time()):08x}-{os.urandom(12).hex()}"
        added = [
            ("X-Amzn-Trace-Id", trace),
            ("X-Forwarded-For", source_ip),
            ("X-Forwarded-Port", str(port)),
            ("X-Forwarded-Proto", "http"),
        ]
        query = tuple(parse_qsl(query_string, keep_blank_values=True))
        return cls(tuple(headers + added), query, source_ip)

    def header(self, name: str) -> str | None:
        """A header's last value, whatever the case of its name."""
        values = [value for each, value in self.headers if each.lower() == name.lower()]
        return values[-1] if values else None

    def members(self) -> dict[str, Any]:
        """The event's members with headers and query; without a query the latter are left out."""
        members: dict[str, Any] = {"headers": dict(self.headers), "multiValueHeaders": _grouped(self.headers)}
        if self.query:
            members["queryStringParameters"] = dict(self.query)
            members["multiValueQueryStringParameters"] = _grouped(self.query)
        return members


def _grouped(pairs: tuple[tuple[str, str], ...]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped
