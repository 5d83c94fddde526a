"""A connection is recorded if its limits allow it.

In the order of refusal:

1. the session's attempts in this minute, counted whatever becomes of them; it gets a share of the tenant's at most;
2. the session's connections, as the authorizer has just seen them; if it was full, it is read again, and those of them
   that are gone are taken out: by their rows, or because API Gateway does not know them;
3. the tenant's attempts in this minute: those that its sessions were let through with;
4. the tenant's total: one connection is reserved;
5. the session's connections again, in the transaction that records the connection: this is what holds in a race. If it
   refuses, the reserved connection is given back.

So what a session is refused costs one write, and nobody else anything. A session that floods is ended: see `Attempts`.

The answer to a refusal is 429, and its body names the limit. API Gateway passes a body on only where a route has a
response, which `$connect` has none of, so a client of AWS sees the status alone: the log and a metric name the limit.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-responses.html

Whatever fails in between, the tenant's total may be too high for a while, never too low: what is reserved is given back
here only if the connection certainly is not recorded; otherwise `accounting` releases it when the row goes, or
`reconcile` takes it off.
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

No other name is ever answered: some clients put a token there, which must not come back. API Gateway hands on what
`$connect` answers: https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-connect-route-subprotocol.html
"""

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 1.6
"""The pause after a transaction that did nothing is a part, by chance, of twice as long each time.
https://docs.aws.amazon.com/wellarchitected/latest/framework/rel_mitigate_interaction_failure_limit_retries.html"""

LONGEST_WAIT_SECONDS = 3.5
"""The longest time that a transaction which did nothing is tried again. The handshake takes a place of the function's
concurrency meanwhile, and clients of a tenant that is throttled must not take all of them."""

_LOOKED_AT = 100
"""Connections of a full session that are looked up to see whether they still stand: what one BatchGetItem takes."""

_ASKED = 10
"""Connections of a full session that API Gateway is asked for: each takes a request of the account's quota of posts."""

_ASKING_SECONDS = 1.0
"""A connection that API Gateway does not answer for in this time counts as open."""

_LOOKS = 10
"""Attempts in a minute at which a full session's connections are looked up; at later ones the session is read alone."""

_RECORDED: dict[str, Any] = {"statusCode": 200}
_CHOSEN = {"headers": {"Sec-WebSocket-Protocol": SUBPROTOCOL}}
_SESSION_OVER: dict[str, Any] = {"statusCode": 403}
_FAILED: dict[str, Any] = {"statusCode": 500}


class _Limit(StrEnum):
    """The limits, in the order of refusal, by the names of the tenants' table."""

    SESSION_MINUTE = "sessionPerMinute"
    SESSION_CONNECTIONS = "connectionsPerSession"
    TENANT_MINUTE = "tenantPerMinute"
    TENANT_CONNECTIONS = "tenantConnections"


_METRICS = {
    _Limit.SESSION_MINUTE: "SessionPerMinuteReached",
    _Limit.SESSION_CONNECTIONS: "ConnectionsPerSessionReached",
    _Limit.TENANT_MINUTE: "TenantPerMinuteReached",
    _Limit.TENANT_CONNECTIONS: "TenantConnectionsReached",
}


@dataclass(frozen=True, slots=True)
class _Handshake:
    """A client that wants to connect, as API Gateway and the authorizer describe it."""

    connection: Connection
    tenant_connections: int
    connections_per_session: int
    tenant_per_minute: int
    session_per_minute: int
    session_expires_at: int
    session_is_full: bool

    @classmethod
    def of(cls, event: Mapping[str, Any], now: int) -> Self:
        """The handshake of a `$connect` event."""
        request = event["requestContext"]
        identity = ConnectionIdentity.read(request["authorizer"])
        connection = Connection(
            key=ConnectionKey(ids.partition(identity.partition), ids.connection_id(request["connectionId"])),
            session_id=identity.session_id,
            connected_at=now,
            expires_at=now + CONNECTION_SECONDS,
            player_id=identity.player_id,
        )
        return cls(
            connection=connection,
            tenant_connections=identity.tenant_connections,
            connections_per_session=identity.connections_per_session,
            tenant_per_minute=identity.tenant_per_minute,
            session_per_minute=identity.session_per_minute,
            session_expires_at=now + identity.session_seconds,
            # An authorizer of an earlier release does not say; the transaction finds out.
            session_is_full=identity.session_connections >= identity.connections_per_session,
        )


class Connect:
    """Answers one `$connect`; `session_share` is what a session gets of its tenant's minute at most."""

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

    def __call__(self, event: Mapping[str, Any], ends: float) -> dict[str, Any]:
        """The answer to a `$connect` event: 200, 403 for a session that is over, 429 with the limit's name, or 500.

        A transaction that did nothing is tried again for seconds, and not beyond the time `ends`, in epoch seconds.
        """
        handshake = _Handshake.of(event, int(self._clock()))
        connection = handshake.connection
        with logger.append_context_keys(tenant_id=connection.tenant_id, connection_id=connection.key.connection_id):
            try:
                answer = self._admit(handshake, ends)
            except TransientError:
                count("ConnectionFailed")
                logger.exception("connection not recorded")
                return _FAILED
        return answer | _CHOSEN if answer is _RECORDED and _offers_subprotocol(event) else answer

    def _admit(self, handshake: _Handshake, ends: float) -> dict[str, Any]:
        tenant = handshake.connection.tenant_id
        entry = self._check(handshake)
        if entry is None:
            entry = self._record(handshake, ends)
            if entry is not Entry.RECORDED:
                self._give_back(tenant)
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
                raise TransientError("others wrote to the session all the time")
            case Entry.THROTTLED:
                count("ConnectionThrottled")
                raise TransientError("DynamoDB was too busy all the time")

    def _check(self, handshake: _Handshake) -> Entry | _Limit | None:
        """Why the connection cannot be recorded, as far as can be told before; None if a place is reserved for it."""
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
        """Why a session that was full takes no connection; None if it has room, by now or because it was healed."""
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
        """Take connections that do not stand any more out of a full session; how many those were.

        They left traces because `accounting` gave their records up. A connection's row and its place in the session are
        written together, so what has a place and no row is gone, and what has an old row is over. Of a large session a
        hundred are looked at, chosen by chance, so that a refusal stays cheap. If that is not enough, API Gateway is
        asked for some that have a row: a `$disconnect` that got lost leaves one.
        """
        looked_at = self._random.sample(sorted(session.connections), min(_LOOKED_AT, len(session.connections)))
        made_at = self._connections.connected_at(looked_at)
        oldest = now - CONNECTION_SECONDS
        gone = [key for key in looked_at if made_at.get(key, oldest) <= oldest]
        if len(gone) < missing:
            # Of a younger one a 410 says nothing: its handshake may not be over.
            standing = [key for key in looked_at if oldest < made_at.get(key, oldest) < now - YOUNG_SECONDS]
            gone += self._closed(standing[:_ASKED])
        if gone:
            self._sessions.forget(session.tenant_id, session.session_id, gone)
            count("SessionHealed", len(gone))
            logger.warning("connections that are gone were still in their session", connections=len(gone))
        return len(gone)

    def _closed(self, connections: Sequence[ConnectionKey]) -> list[ConnectionKey]:
        """Connections among these that API Gateway does not know any more; their rows are deleted."""
        asked = [key.connection_id for key in connections]
        outcomes = self._gateway.look_up(self._endpoint, asked, seconds=_ASKING_SECONDS)
        closed = [key for key, outcome in zip(connections, outcomes, strict=True) if outcome is Outcome.GONE]
        for key in closed:
            self._connections.delete(key)
        count("StaleConnectionDeleted", len(closed))
        return closed

    def _record(self, handshake: _Handshake, ends: float) -> Entry:
        longest = _FIRST_PAUSE_SECONDS
        ends = min(ends, self._clock() + LONGEST_WAIT_SECONDS)
        try:
            while True:
                entry = self._register.record(
                    handshake.connection,
                    connections_per_session=handshake.connections_per_session,
                    session_expires_at=handshake.session_expires_at,
                )
                pause = self._random.uniform(0, longest)
                if entry not in {Entry.CONTENDED, Entry.THROTTLED} or self._clock() + pause >= ends:
                    return entry
                self._pause(pause)
                longest = min(2 * longest, _LONGEST_PAUSE_SECONDS)
        except TransientError:
            # It may be recorded all the same. The client is turned away, so its row must go; then `accounting` releases
            # what is reserved. It is not given back here: that would be twice.
            self._connections.delete(handshake.connection.key)
            raise

    def _give_back(self, tenant: ids.TenantId) -> None:
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
