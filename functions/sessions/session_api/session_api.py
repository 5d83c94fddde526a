"""Sessions, tenants and reports over HTTP.

| route | answers |
|---|---|
| `PUT /session?tenantId=&sessionId=&playerId=&renew=` | 200 `{"Attributes":{"sessionTTL"},"webSocketUrl"}`; 409; 429 |
| `DELETE /session?tenantId=&sessionId=&playerId=` | 200 `{}`; 409 |
| `GET /tenant` | 200 `{"Items":[...]}`; 403 where tenants are not listed |
| `GET /broadcast/{id}` | 200 the report; 404 |

A missing, illegal or unknown id is answered 400 `"Invalid request"`, which clients of `/session` expect. Two problems
are named: a token's subject that cannot be a player's id, because its client cannot see that in the request; and a new
session's id that is too short to be a secret, because anyone who guesses it can enter the session.

The body `{"grants":{pattern:rights}}` of a `PUT` replaces what the session may subscribe to and publish. Without grants
these stay as they are, and a new session has none. Clients that present tokens call themselves: their grants are
answered 403.

If the routes of sessions require a JWT, the token identifies the caller, and the query does not: its subject is the
player, and one of its claims must be the tenant's id; otherwise, or without claims, the answer is 403. A live session
that is bound to another player is neither opened nor ended: 409.

A session lives on one cell, see `placing`. If a further cell does not answer, or does not have the tenant's last change
yet, the request is answered 503. A client that is about to connect may have to wait, see `admission`: the answer is 429
with `Retry-After`, and the session is not renewed. `renew=true` says that the client is connected: its session stays on
its cell, and it does not wait, unless its session is over.
"""

import base64
from collections.abc import Callable, Collection, Mapping
from math import ceil
from typing import Any, NamedTuple, Self

from functions.sessions.session_api.admission import Admission, LimitReached
from functions.sessions.session_api.placing import Placing, SessionCell, TenantNotCopiedError
from loudhailer import codec, ids
from loudhailer.broadcast.combined import report_over_cells
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.snapshots.port import SnapshotStore
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.http import Response, respond, respond_invalid
from loudhailer.limits.places.model import sessions_of, take_place
from loudhailer.observability import count, logger
from loudhailer.sessions.grants import Grants
from loudhailer.sessions.port import SessionStore
from loudhailer.tenants.model import Tenant
from loudhailer.tenants.port import TenantStore

_INVALID = "Invalid request"
_SUBJECT = "sub"

_PLACES_KEPT_SECONDS = 30 * 24 * 3600
"""Seconds without a new session after which a tenant's count of sessions expires: it is then far from its limit."""


class _Named(NamedTuple):
    """The session that a request names, and the player that it is bound to; None: no player.

    Attributes:
        is_renewal: the client is connected, and only renews its session.
        grants: what the session may do from now on; None: as before.
    """

    tenant: ids.TenantId
    secret: ids.SessionSecret
    player: ids.PlayerId | None
    is_renewal: bool
    grants: Grants | None = None

    @classmethod
    def by(cls, query: Mapping[str, Any], claims: Mapping[str, str] | None) -> Self:
        """Read the session from a query and the caller's claims; InvalidFieldError for an illegal id."""
        claimed, source = (
            (query.get("playerId"), "playerId") if claims is None else (claims.get(_SUBJECT, ""), _SUBJECT)
        )
        renew = query.get("renew", "false")
        if renew not in ("true", "false"):
            raise InvalidFieldError("renew", "must be true or false")
        return cls(
            ids.tenant_id(query.get("tenantId")),
            ids.session_secret(query.get("sessionId")),
            None if claimed is None else ids.player_id(claimed, source),
            is_renewal=renew == "true",
        )


class SessionApi:
    """Answers one request of an HTTP API.

    `needs_token` is True if the routes of sessions require a JWT; its claim `tenant_claim` has the tenant's id.
    """

    def __init__(
        self,
        tenants: TenantStore,
        placing: Placing,
        broadcasts: BroadcastStore,
        snapshots: SnapshotStore,
        admission: Admission | None = None,
        *,
        list_tenants: bool,
        silo_tenants: Collection[ids.TenantId],
        needs_token: bool,
        tenant_claim: str,
        shortest_session_id: int,
        report_grace_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._tenants = tenants
        self._placing = placing
        self._broadcasts = broadcasts
        self._snapshots = snapshots
        self._admission = admission
        self._list_tenants = list_tenants
        self._silo_tenants = silo_tenants
        self._needs_token = needs_token
        self._tenant_claim = tenant_claim
        self._shortest_session_id = shortest_session_id
        self._report_grace_seconds = report_grace_seconds
        self._clock = clock
        self._routes = {
            "PUT /session": self._put_session,
            "DELETE /session": self._delete_session,
            "GET /tenant": self._get_tenants,
            "GET /broadcast/{id}": self._get_broadcast,
        }

    def __call__(self, event: Mapping[str, Any]) -> Response:
        """Answer a request in payload format 2.0; its `routeKey` is one of the routes above."""
        return self._routes[event["routeKey"]](event)

    def _put_session(self, event: Mapping[str, Any]) -> Response:
        named = self._named_with_grants(event)
        if not isinstance(named, _Named):
            return named
        if len(named.secret) < self._shortest_session_id:
            return respond_invalid(
                400, "sessionId", f"must have at least {self._shortest_session_id} random characters"
            )
        tenant = self._tenants.get(named.tenant, consistent=True)
        if tenant is None:
            return respond(400, _INVALID)
        session = tenant.session_id_of(named.secret)
        try:
            cell = self._placing.place(tenant, session, named.player, is_renewal=named.is_renewal)
        except TenantNotCopiedError as error:
            count("SessionDeferred")
            logger.info("session deferred", reason=str(error))
            return _TRY_AGAIN
        if cell is None:
            return _BOUND_TO_ANOTHER
        return self._open(cell, tenant, session, named)

    def _delayed(self, cell: ids.CellName, tenant: Tenant, session: ids.SessionId) -> Response | None:
        """The answer to a client that is to ask again, or is refused; None if it may connect now."""
        wait = None if self._admission is None else self._admission.admit(cell, tenant, session)
        if wait is None:
            return None
        if wait is LimitReached.TENANT_MINUTE:
            return _over_limit("tenantPerMinute")
        # `Retry-After` has whole seconds; our own clients read the milliseconds.
        body = {"message": "Too Many Requests", "reason": "connects", "retryAfterMs": ceil(wait.seconds * 1_000)}
        return respond(429, body, {"retry-after": str(ceil(wait.seconds))})

    def _open(self, cell: SessionCell, tenant: Tenant, session: ids.SessionId, named: _Named) -> Response:
        try:
            existing = cell.sessions.get(tenant.tenant_id, session)
            is_live = existing is not None and existing.is_live(self._clock())
            if (
                not (named.is_renewal and is_live)
                and (delayed := self._delayed(cell.name, tenant, session)) is not None
            ):
                return delayed
            return self._renew(cell, tenant, session, named.grants, is_live=is_live)
        except TransientError as error:
            return _unreachable(cell.name, error)

    def _renew(
        self, cell: SessionCell, tenant: Tenant, session: ids.SessionId, grants: Grants | None, *, is_live: bool
    ) -> Response:
        now = int(self._clock())
        expires_at = now + tenant.session_seconds
        key = (tenant.tenant_id, session)
        if not is_live and not self._has_place(cell, tenant.tenant_id, now):
            return _over_limit("tenantSessions")
        if not cell.sessions.renew(*key, player=cell.player, expires_at=expires_at, now=now, grants=grants):
            return _BOUND_TO_ANOTHER
        if self._tenants.get(tenant.tenant_id, consistent=True) is None:
            # The tenant is erased at the same time: either its sessions are deleted after this one was created, or this
            # read sees the erasure. A renewal may also recreate a session that was deleted after it was read.
            cell.sessions.delete(*key)
            return respond(400, _INVALID)
        count("SessionRenewed")
        return respond(200, {"Attributes": {"sessionTTL": expires_at}, "webSocketUrl": cell.websocket_url})

    def _has_place(self, cell: SessionCell, tenant: ids.TenantId, now: int) -> bool:
        return take_place(
            cell.places,
            sessions_of(tenant),
            cell.tenant_sessions,
            rows=lambda: cell.sessions.count(tenant, now),
            now=now,
            expires_at=now + _PLACES_KEPT_SECONDS,
        )

    def _delete_session(self, event: Mapping[str, Any]) -> Response:
        named = self._named(event)
        if not isinstance(named, _Named):
            return named
        tenant = self._tenants.get(named.tenant, consistent=True)
        if tenant is None:
            return respond(400, _INVALID)
        session = tenant.session_id_of(named.secret)
        (cell, sessions), *former = self._placing.cells_of(tenant, session)
        try:
            answer = self._end(sessions, named, session)
        except TransientError as error:
            return _unreachable(cell, error)
        for cell, sessions in former:
            try:
                ended = self._end(sessions, named, session)
            except TransientError as error:
                # The session must be ended on the other cell nevertheless; its connections here expire.
                logger.warning("the former cell of a session does not answer", cell=cell, error=str(error))
            else:
                answer = answer or ended
        return answer or respond(400, _INVALID)

    def _end(self, sessions: SessionStore, named: _Named, session: ids.SessionId) -> Response | None:
        """End the session on one cell; None if it has none of that id."""
        key = (named.tenant, session)
        if sessions.get(*key) is None:
            return None
        if not sessions.delete(*key, named.player) and (existing := sessions.get(*key)) is not None:
            return _BOUND_TO_ANOTHER if existing.is_live(self._clock()) else respond(400, _INVALID)
        # The session existed and is deleted. If `delete` reports that it did not delete it, the SDK has repeated a
        # deletion whose answer was lost.
        count("SessionDeleted")
        return respond(200, {})

    def _named_with_grants(self, event: Mapping[str, Any]) -> _Named | Response:
        """Return the session that a request names and its grants, or the answer that refuses the request."""
        named = self._named(event)
        if not isinstance(named, _Named):
            return named
        try:
            grants = _grants(event)
        except InvalidFieldError as error:
            return respond_invalid(400, error.field, str(error))
        return _FORBIDDEN if grants is not None and self._needs_token else named._replace(grants=grants)

    def _named(self, event: Mapping[str, Any]) -> _Named | Response:
        """Return the session that a request names, or the answer that refuses the request."""
        claims = _claims(event)
        if claims is None and self._needs_token:
            count("TokenMissing")
            logger.error("a request without claims arrived at a route that requires a token")
            return _FORBIDDEN
        try:
            named = _Named.by(event.get("queryStringParameters") or {}, claims)
        except InvalidFieldError as error:
            return respond_invalid(400, _SUBJECT, str(error)) if error.field == _SUBJECT else respond(400, _INVALID)
        return named if self._is_of(claims, named.tenant) else _FORBIDDEN

    def _is_of(self, claims: Mapping[str, str] | None, tenant: ids.TenantId) -> bool:
        """Tell whether a caller with these claims may act for the tenant; without tokens, API Gateway decides."""
        if claims is None or claims.get(self._tenant_claim) == tenant:
            return True
        count("TokenOfOtherTenant")
        logger.warning("a token is not the tenant's", tenant_id=tenant, claim=self._tenant_claim)
        return False

    def _get_tenants(self, _: Mapping[str, Any]) -> Response:
        if not self._list_tenants:
            return _FORBIDDEN
        items = [
            {**tenant.to_wire(), "silo": tenant.tenant_id in self._silo_tenants}
            for tenant in self._tenants.all_tenants()
        ]
        return respond(200, {"Items": items})

    def _get_broadcast(self, event: Mapping[str, Any]) -> Response:
        try:
            broadcast_id = ids.broadcast_id(event["pathParameters"]["id"])
        except InvalidFieldError as error:
            return respond_invalid(400, error.field, str(error))
        report = report_over_cells(
            self._broadcasts,
            self._snapshots,
            broadcast_id,
            now=self._clock(),
            grace=self._report_grace_seconds,
        )
        if report is None:
            return respond_invalid(404, "broadcastId", "there is no such broadcast")
        return respond(200, report.to_wire())


def _claims(event: Mapping[str, Any]) -> Mapping[str, str] | None:
    """Return the claims of the request's JWT; None for a request without one."""
    token = event.get("requestContext", {}).get("authorizer", {}).get("jwt")
    return None if token is None else token.get("claims") or {}


def _grants(event: Mapping[str, Any]) -> Grants | None:
    """Return the grants in a request's body; None for a request without them."""
    body = event.get("body") or ""
    if not body:
        return None
    try:
        wire = codec.decode_object(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    except codec.NotJsonError as error:
        raise InvalidFieldError("body", str(error)) from error
    return Grants.from_wire(wire["grants"]) if "grants" in wire else None


def _unreachable(cell: ids.CellName, error: TransientError) -> Response:
    """Return the answer to a request whose further cell does not answer; an error of the hub's own tables is raised."""
    if cell == ids.HUB:
        raise error
    count("CellUnreachable")
    logger.error("a cell does not answer", cell=cell, error=str(error))
    return _TRY_AGAIN


def _over_limit(limit: str) -> Response:
    count("SessionRefused")
    logger.info("session refused", reason=f"the limit {limit} is reached", limit=limit)
    return respond(429, {"message": "Too Many Requests", "limit": limit})


_TRY_AGAIN = respond(503, {"message": "Service Unavailable"}, {"retry-after": "1"})
_FORBIDDEN = respond(403, {"message": "Forbidden"})
_BOUND_TO_ANOTHER = respond_invalid(409, "playerId", "the session is bound to another player")
