"""Record a connection if its limits allow it.

The limits are checked in this order:

1. the session's attempts in this minute, successful or not; a session gets at most a share of the tenant's attempts;
2. the session's connections, as the authorizer has just read them; a full session is read again, and connections that
   are gone are removed from it: because they have no row, or because API Gateway does not know them;
3. the tenant's attempts in this minute that passed their session's limit;
4. the tenant's total: one connection is reserved;
5. the session's connections again, in the transaction that records the connection: this check is safe against races. If
   it refuses, the reserved connection is released;
6. the rate at which DynamoDB changes one session: transactions that meet there are refused. If others are in the way
   for `LONGEST_WAIT_SECONDS`, too many clients connect to the session at once. Nothing is recorded then, and the
   reserved connection is released.

So a refused attempt costs one write, and does not count for other sessions. A session that floods is deleted: see
`Attempts`.

A refusal is answered 429, and its body names the limit. API Gateway passes a body on only if the route has a response,
and `$connect` has none. So a client on AWS sees only the status; the log and a metric name the limit:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html

After a crash the tenant's total may be too high for a while, but never too low. A reservation is released here only if
the connection is certainly not recorded. Otherwise `accounting` releases it when the row is deleted, or `reconcile`
corrects the total.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any, Self

from functions.connections.connect.port import Entry, Register
from loudhailer import codec, ids
from loudhailer.connections.model import CONNECTION_SECONDS, YOUNG_SECONDS, Connection, ConnectionKey
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sender import Lookup
from loudhailer.errors import TransientError
from loudhailer.limits.attempts import Attempts
from loudhailer.limits.model import connects_of_session, connects_of_tenant, share_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore
from loudhailer.websocket.identity import ConnectionIdentity

SUBPROTOCOL = "loudhailer.v1"
"""The WebSocket subprotocol that a client may offer: a browser that offers any fails unless one of them is chosen.

The answer never contains another name: some clients send a token there, which must not be echoed. API Gateway passes
the answer of `$connect` on:
https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-connect-route-subprotocol.html
"""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.6
"""Pauses before a transaction is repeated: the upper bound doubles each time, and the pause is a random part of it.
https://docs.aws.amazon.com/wellarchitected/latest/framework/rel_mitigate_interaction_failure_limit_retries.html"""

LONGEST_WAIT_SECONDS = 3.5
"""Longest time for which a transaction without effect is repeated. Meanwhile the handshake uses a unit of the
function's concurrency, and clients of a throttled tenant must not use all of it."""

_LOOKED_AT = 100
"""Connections of a full session whose rows are looked up: as many as one BatchGetItem reads."""

_ASKED = 10
"""Connections of a full session that are looked up in API Gateway: each look-up counts against the quota of posts."""

_ASKING_SECONDS = 1.0
"""A connection that API Gateway does not answer for in this time counts as open."""

_LOOKS = 10
"""Attempts in a minute that look up the connections of a full session; later attempts only read the session."""

_RECORDED: dict[str, Any] = {"statusCode": 200}
_CHOSEN = {"headers": {"Sec-WebSocket-Protocol": SUBPROTOCOL}}
_SESSION_OVER: dict[str, Any] = {"statusCode": 403}
_FAILED: dict[str, Any] = {"statusCode": 500}


class _Limit(StrEnum):
    """The limits, in the order of refusal. All but the last, which is DynamoDB's, have names of the tenants' table."""

    SESSION_MINUTE = "sessionPerMinute"
    SESSION_CONNECTIONS = "connectionsPerSession"
    TENANT_MINUTE = "tenantPerMinute"
    TENANT_CONNECTIONS = "tenantConnections"
    SESSION_AT_ONCE = "sessionAtOnce"


_METRICS = {
    _Limit.SESSION_MINUTE: "SessionPerMinuteReached",
    _Limit.SESSION_CONNECTIONS: "ConnectionsPerSessionReached",
    _Limit.TENANT_MINUTE: "TenantPerMinuteReached",
    _Limit.TENANT_CONNECTIONS: "TenantConnectionsReached",
    _Limit.SESSION_AT_ONCE: "SessionAtOnceReached",
}


@dataclass(frozen=True, slots=True)
class _Handshake:
    """A client that asks to connect, as described by API Gateway and the authorizer."""

    connection: Connection
    tenant_connections: int
    connections_per_session: int
    tenant_per_minute: int
    session_per_minute: int
    session_expires_at: int
    session_is_full: bool

    @classmethod
    def of(cls, event: Mapping[str, Any], now: int) -> Self:
        """Return the handshake of a `$connect` event."""
        request = event["requestContext"]
        identity = ConnectionIdentity.read(request["authorizer"])
        connection = Connection(
            key=ConnectionKey(ids.partition(identity.partition), ids.connection_id(request["connectionId"])),
            session_id=identity.session_id,
            connected_at=now,
            expires_at=now + CONNECTION_SECONDS,
            player_id=identity.player_id,
            subscribes=identity.subscribes,
        )
        return cls(
            connection=connection,
            tenant_connections=identity.tenant_connections,
            connections_per_session=identity.connections_per_session,
            tenant_per_minute=identity.tenant_per_minute,
            session_per_minute=identity.session_per_minute,
            session_expires_at=now + identity.session_seconds,
            # An authorizer of an earlier release does not send it; the transaction checks it.
            session_is_full=identity.session_connections >= identity.connections_per_session,
        )


class Connect:
    """Answers one `$connect`; `session_share` is the largest share of its tenant's attempts that a session may use."""

    def __init__(
        self,
        limits: LimitStore,
        register: Register,
        connections: ConnectionStore,
        sessions: SessionStore,
        gateway: Lookup,
        *,
        endpoint: str,
        session_share: float,
        clock: Callable[[], float],
        pause: Callable[[float], None],
        random: Random,
    ) -> None:
        self._limits = limits
        self._register = register
        self._connections = connections
        self._sessions = sessions
        self._attempts = Attempts(sessions, limits)
        self._gateway = gateway
        self._endpoint = endpoint
        self._session_share = session_share
        self._clock = clock
        self._pause = pause
        self._random = random

    def __call__(self, event: Mapping[str, Any], deadline: Deadline) -> dict[str, Any]:
        """Answer a `$connect` event: 200, 403 for an expired session, 429 with the limit's name, or 500.

        A transaction that had no effect is repeated for seconds, but not after the deadline.
        """
        handshake = _Handshake.of(event, int(self._clock()))
        connection = handshake.connection
        with logger.append_context_keys(tenant_id=connection.tenant_id, connection_id=connection.key.connection_id):
            try:
                answer = self._admit(handshake, deadline)
            except TransientError:
                count("ConnectionFailed")
                logger.exception("connection not recorded")
                return _FAILED
        return answer | _CHOSEN if answer is _RECORDED and _offers_subprotocol(event) else answer

    def _admit(self, handshake: _Handshake, deadline: Deadline) -> dict[str, Any]:
        tenant = handshake.connection.tenant_id
        entry = self._check(handshake)
        if entry is None:
            entry = self._record(handshake, deadline)
            if entry is not Entry.RECORDED:
                self._release_reservation(tenant)
        match entry:
            case _Limit():
                return _over(entry)
            case Entry.RECORDED:
                count("ConnectionRecorded")
                return _RECORDED
            case Entry.RECORDED_BEFORE:
                return _RECORDED
            case Entry.SESSION_FULL:
                return _over(_Limit.SESSION_CONNECTIONS)
            case Entry.SESSION_OVER:
                count("ConnectionRefused")
                logger.info("connection refused", reason="the session is over")
                return _SESSION_OVER
            case Entry.CONTENDED:
                return _over(_Limit.SESSION_AT_ONCE)
            case Entry.THROTTLED:
                count("ConnectionThrottled")
                raise TransientError("DynamoDB was too busy at every attempt")

    def _check(self, handshake: _Handshake) -> Entry | _Limit | None:
        """Check the limits; return the refusal, or None if a connection is reserved."""
        connection = handshake.connection
        tenant, session, now = connection.tenant_id, connection.session_id, connection.connected_at
        limit = min(handshake.session_per_minute, share_of(handshake.tenant_per_minute, self._session_share))
        counter = connects_of_session(tenant, session)
        attempts = self._attempts.count(tenant, session, counter, limit=limit, now=now)
        if attempts > limit:
            return _Limit.SESSION_MINUTE
        if handshake.session_is_full and (reason := self._look_into_session(handshake, closely=attempts <= _LOOKS)):
            return reason
        if self._limits.count_in_minute(connects_of_tenant(tenant), now) > handshake.tenant_per_minute:
            return _Limit.TENANT_MINUTE
        if not self._limits.reserve(tenant, handshake.tenant_connections):
            return _Limit.TENANT_CONNECTIONS
        return None

    def _look_into_session(self, handshake: _Handshake, *, closely: bool) -> Entry | _Limit | None:
        """Check a session that was full; return the refusal, or None if it has room now."""
        connection = handshake.connection
        session = self._sessions.get(connection.tenant_id, connection.session_id)
        if session is None or not session.is_live(connection.connected_at):
            return Entry.SESSION_OVER
        if connection.key in session.connections:
            return Entry.RECORDED_BEFORE
        missing = len(session.connections) - handshake.connections_per_session + 1
        if missing > 0 and not (closely and self._heal(session, missing, connection.connected_at) >= missing):
            return _Limit.SESSION_CONNECTIONS
        return None

    def _heal(self, session: Session, missing: int, now: int) -> int:
        """Remove connections that are gone from a full session; return their number.

        They remain if `accounting` gave up their stream records. A connection's row and its entry in the session are
        written together. So an entry without a row is gone, and a row older than two hours has expired. For a large
        session, a hundred random entries are looked up, so that a refusal stays cheap. If that is not enough, some
        connections with a row are looked up in API Gateway: a lost `$disconnect` leaves the row.
        """
        looked_at = self._random.sample(sorted(session.connections), min(_LOOKED_AT, len(session.connections)))
        made_at = self._connections.connected_at(looked_at)
        oldest = now - CONNECTION_SECONDS
        gone = [key for key in looked_at if made_at.get(key, oldest) <= oldest]
        if len(gone) < missing:
            # A 410 proves nothing for a newer connection: its handshake may not be complete.
            recorded = [key for key in looked_at if oldest < made_at.get(key, oldest) < now - YOUNG_SECONDS]
            gone += self._closed(recorded[:_ASKED])
        if gone:
            self._sessions.forget(session.tenant_id, session.session_id, gone)
            count("SessionHealed", len(gone))
            logger.warning("connections that are gone were still in their session", connections=len(gone))
        return len(gone)

    def _closed(self, connections: Sequence[ConnectionKey]) -> list[ConnectionKey]:
        """Return the connections that API Gateway no longer knows, and delete their rows."""
        asked = [key.connection_id for key in connections]
        outcomes = self._gateway.look_up(self._endpoint, asked, seconds=_ASKING_SECONDS)
        closed = [key for key, outcome in zip(connections, outcomes, strict=True) if outcome is Outcome.GONE]
        for key in closed:
            self._connections.delete(key)
        count("StaleConnectionDeleted", len(closed))
        return closed

    def _record(self, handshake: _Handshake, deadline: Deadline) -> Entry:
        longest = _FIRST_PAUSE_SECONDS
        deadline = deadline.at_most(LONGEST_WAIT_SECONDS)
        try:
            while True:
                entry = self._register.record(
                    handshake.connection,
                    connections_per_session=handshake.connections_per_session,
                    session_expires_at=handshake.session_expires_at,
                )
                pause = self._random.uniform(0, longest)
                if entry not in {Entry.CONTENDED, Entry.THROTTLED} or deadline.is_over(within=pause):
                    return entry
                self._pause(pause)
                longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)
        except TransientError:
            # The connection may be recorded although the call failed. The client is refused, so the row must be
            # deleted; `accounting` then releases the reservation. Releasing it here as well would release it twice.
            self._connections.delete(handshake.connection.key)
            raise

    def _release_reservation(self, tenant: ids.TenantId) -> None:
        try:
            self._limits.release(tenant, 1)
        except TransientError:
            count("ReservationKept")
            logger.exception("the reserved connection was not given back; reconcile takes it off")


def _offers_subprotocol(event: Mapping[str, Any]) -> bool:
    headers: Mapping[str, list[str]] = event.get("multiValueHeaders") or {}
    offers = [offer for name, values in headers.items() if name.lower() == "sec-websocket-protocol" for offer in values]
    return any(name.strip() == SUBPROTOCOL for offer in offers for name in offer.split(","))


def _over(limit: _Limit) -> dict[str, Any]:
    count("ConnectionRefused")
    count(_METRICS[limit])
    logger.info("connection refused", reason=f"the limit {limit} is reached", limit=limit)
    return {"statusCode": 429, "body": codec.encode_text({"message": "Too Many Requests", "limit": limit})}
