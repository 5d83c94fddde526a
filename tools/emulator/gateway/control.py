"""The stand-in's own endpoints under `/_gateway/`, for tests and operators; AWS has nothing like them.

Only an account's root may use them, and signs with the stack's secret: see `tools.emulator.perimeter.signature`.

- `GET /_gateway/stats`: what has been counted, and how many connections there are
- `GET /_gateway/connections`: the ids of the open connections
- `POST /_gateway/reload`: read the APIs again
- `GET` or `POST /_gateway/faults`: see or set the faults; a POST switches off those it does not name
- `POST /_gateway/fill`: refuse every further post to connections, `{"count": n}` or `{"connection_ids": [...]}`, as if
  their buffers were full because their clients do not read
- `POST /_gateway/close`: drop connections, `{"count": n}` or `{"connection_ids": [...]}`; with `"code": c` after a
  close frame, else as a lost network drops them
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from tools.emulator.gateway.api import Directory
from tools.emulator.gateway.callers import Callers
from tools.emulator.gateway.connection import Connections, ConnectionState, OpenConnection
from tools.emulator.gateway.counters import Counters
from tools.emulator.gateway.faults import FaultInjector, Faults
from tools.emulator.gateway.http1 import Request, error_response, json_response

PREFIX = b"/_gateway/"

_FORBIDDEN = error_response(
    HTTPStatus.FORBIDDEN,
    "ForbiddenException",
    "The request is not signed with the stack's secret, which is in its state directory, in stack.json.",
)


class Control:
    """Answers the control endpoints."""

    def __init__(
        self,
        callers: Callers,
        faults: FaultInjector,
        counters: Counters,
        directory: Directory,
        connections: Connections,
    ) -> None:
        self._callers = callers
        self._faults = faults
        self._counters = counters
        self._directory = directory
        self._connections = connections
        self._endpoints: dict[tuple[bytes, bytes], Callable[[Any], Awaitable[Any]]] = {
            (b"GET", b"stats"): self._stats,
            (b"GET", b"connections"): self._list,
            (b"POST", b"reload"): self._reload,
            (b"GET", b"faults"): self._get_faults,
            (b"POST", b"faults"): self._set_faults,
            (b"POST", b"fill"): self._fill,
            (b"POST", b"close"): self._close,
        }

    async def handle(self, request: Request) -> bytes:
        """Answer one request."""
        if not await self._callers.resolve(request):
            return _FORBIDDEN
        endpoint = self._endpoints.get((request.method, request.target.removeprefix(PREFIX)))
        if endpoint is None:
            return json_response(HTTPStatus.NOT_FOUND, {"message": "no such endpoint"})
        try:
            return json_response(HTTPStatus.OK, await endpoint(json.loads(request.body or b"{}")))
        except (TypeError, ValueError) as error:
            return json_response(HTTPStatus.BAD_REQUEST, {"message": str(error)})

    async def _stats(self, _content: Any) -> dict[str, Any]:
        states = {f"connections_{state.name.lower()}": self._connections.count(state) for state in ConnectionState}
        del states["connections_closed"]
        return states | self._counters.snapshot()

    async def _list(self, _content: Any) -> dict[str, Any]:
        return {"connection_ids": [each.connection_id for each in self._open()]}

    async def _reload(self, _content: Any) -> dict[str, Any]:
        await self._directory.reload()
        return {"deployments": ["/".join(key) for key in self._directory.deployments()]}

    async def _get_faults(self, _content: Any) -> dict[str, Any]:
        return asdict(self._faults.current)

    async def _set_faults(self, content: Any) -> dict[str, Any]:
        self._faults.set(Faults.from_json(content))
        return asdict(self._faults.current)

    async def _fill(self, content: Any) -> dict[str, Any]:
        chosen = self._choose(content)
        for connection in chosen:
            connection.full = True
        return {"filled": len(chosen)}

    async def _close(self, content: Any) -> dict[str, Any]:
        chosen = self._choose(content)
        code = content.get("code")
        if code is not None and not isinstance(code, int):
            raise TypeError("code must be a number")
        for connection in chosen:
            if code is None:
                connection.abort()
            else:
                connection.close(code, "")
        return {"closed": len(chosen)}

    def _choose(self, content: Any) -> list[OpenConnection]:
        if not isinstance(content, Mapping) or not content.keys() & {"count", "connection_ids"}:
            raise TypeError("name a count or connection_ids")
        connections = self._open()
        ids = content.get("connection_ids")
        if ids is not None:
            return [each for each in connections if each.connection_id in ids]
        if not isinstance(content["count"], int):
            raise TypeError("count must be a number")
        return connections[: content["count"]]

    def _open(self) -> list[OpenConnection]:
        return [each for each in self._connections if each.state is ConnectionState.OPEN]
