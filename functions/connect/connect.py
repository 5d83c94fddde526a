"""A connection is recorded if its limits allow it.

In the order of refusal:

1. the tenant's total: one connection is reserved, and given back on any later refusal;
2. the session's connections: checked in the transaction that records the connection.

Whatever fails in between, the tenant's total may be too high for a while, never too low: what is reserved is given back
here only if the connection certainly is not recorded; otherwise `accounting` releases it when the row goes, or
`reconcile` takes it off.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Self

from functions.connect.port import Entry, Register
from loudhailer import codec, ids
from loudhailer.connections.model import CONNECTION_SECONDS, Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.errors import TransientError
from loudhailer.observability import count, logger
from loudhailer.tenancy.port import LimitStore

_ATTEMPTS = 5
_LONGEST_PAUSE_SECONDS = 0.1

_RECORDED: dict[str, Any] = {"statusCode": 200}
_SESSION_OVER: dict[str, Any] = {"statusCode": 403}
_FAILED: dict[str, Any] = {"statusCode": 500}


@dataclass(frozen=True, slots=True)
class _Handshake:
    """What API Gateway and the authorizer say of a client that wants to connect."""

    connection: Connection
    tenant_connections: int
    connections_per_session: int
    session_expires_at: int

    @classmethod
    def of(cls, event: Mapping[str, Any], now: int) -> Self:
        """The handshake of a `$connect` event."""
        request, context = event["requestContext"], event["requestContext"]["authorizer"]
        key = ConnectionKey(ids.partition(context["partition"]), ids.connection_id(request["connectionId"]))
        connection = Connection(
            key=key,
            session_id=ids.session_id(context["sessionId"]),
            connected_at=now,
            expires_at=now + CONNECTION_SECONDS,
            player_id=ids.player_id(context["playerId"]) if "playerId" in context else None,
        )
        return cls(
            connection=connection,
            tenant_connections=int(context["tenantConnections"]),
            connections_per_session=int(context["connectionsPerSession"]),
            session_expires_at=now + int(context["sessionTTL"]),
        )


class Connect:
    """Answers one `$connect`."""

    def __init__(
        self,
        limits: LimitStore,
        register: Register,
        connections: ConnectionStore,
        *,
        clock: Callable[[], float],
        pause: Callable[[float], None],
        random: Random,
    ) -> None:
        self._limits = limits
        self._register = register
        self._connections = connections
        self._clock = clock
        self._pause = pause
        self._random = random

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a `$connect` event: 200, 403 for a session that is over, 429 with the limit's name, or 500."""
        handshake = _Handshake.of(event, int(self._clock()))
        connection = handshake.connection
        with logger.append_context_keys(tenant_id=connection.tenant_id, connection_id=connection.key.connection_id):
            try:
                return self._admit(handshake)
            except TransientError:
                count("ConnectionFailed")
                logger.exception("connection not recorded")
                return _FAILED

    def _admit(self, handshake: _Handshake) -> dict[str, Any]:
        tenant = handshake.connection.tenant_id
        if not self._limits.reserve(tenant, handshake.tenant_connections):
            return _over("tenantConnections")
        entry = self._record(handshake)
        if entry is Entry.RECORDED:
            count("ConnectionRecorded")
            return _RECORDED
        self._give_back(tenant)
        match entry:
            case Entry.RECORDED_BEFORE:
                return _RECORDED
            case Entry.SESSION_FULL:
                return _over("connectionsPerSession")
            case Entry.SESSION_OVER:
                count("ConnectionRefused")
                logger.info("connection refused", reason="the session is over")
                return _SESSION_OVER
            case Entry.CONTENDED:
                raise TransientError(f"the session was contended in {_ATTEMPTS} attempts")

    def _record(self, handshake: _Handshake) -> Entry:
        try:
            for attempt in range(_ATTEMPTS):
                if attempt:
                    self._pause(self._random.uniform(0, _LONGEST_PAUSE_SECONDS))
                entry = self._register.record(
                    handshake.connection,
                    connections_per_session=handshake.connections_per_session,
                    session_expires_at=handshake.session_expires_at,
                )
                if entry is not Entry.CONTENDED:
                    break
        except TransientError:
            # It may be recorded all the same. The client is turned away, so its row must go; then `accounting` releases
            # what is reserved. It is not given back here: that would be twice.
            self._connections.delete(handshake.connection.key)
            raise
        return entry

    def _give_back(self, tenant: ids.TenantId) -> None:
        try:
            self._limits.release(tenant, 1)
        except TransientError:
            count("ReservationKept")
            logger.exception("the reserved connection was not given back; reconcile takes it off")


def _over(limit: str) -> dict[str, Any]:
    count("ConnectionRefused")
    logger.info("connection refused", reason=f"the limit {limit} is reached")
    return {"statusCode": 429, "body": codec.encode_text({"message": "Too Many Requests", "limit": limit})}
