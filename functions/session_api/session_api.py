"""Sessions, tenants and reports over HTTP.

| route | answers |
|---|---|
| `PUT /session?tenantId=&sessionId=&playerId=` | 200 `{"Attributes":{"sessionTTL":<epoch s>},"webSocketUrl"}`; 409 |
| `DELETE /session?tenantId=&sessionId=` | 200 `{}` |
| `GET /tenant` | 200 `{"Items":[...]}`; 403 where tenants are not listed |
| `GET /broadcast/{id}` | 200 the report; 404 |

An id that is missing, illegal or unknown is answered 400 `"Invalid request"`, as clients of `/session` have it. Only a
token's subject that cannot be a player is named, since no client can see in its request what is wrong with that.

Where a route of sessions asks for a JWT, the token says who is calling, whatever the query claims: its subject is the
player, and one of its claims must be the tenant's id, or the answer is 403.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from loudhailer import codec, ids
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.errors import InvalidFieldError
from loudhailer.observability import count, logger
from loudhailer.tenancy.port import SessionStore, TenantStore

_INVALID = "Invalid request"
_SUBJECT = "sub"


class SessionApi:
    """Answers one request of an HTTP API."""

    def __init__(
        self,
        tenants: TenantStore,
        sessions: SessionStore,
        broadcasts: BroadcastStore,
        *,
        websocket_url: str,
        list_tenants: bool,
        silo_tenants: Collection[ids.TenantId],
        tenant_claim: str,
        clock: Callable[[], float],
    ) -> None:
        self._tenants = tenants
        self._sessions = sessions
        self._broadcasts = broadcasts
        self._websocket_url = websocket_url
        self._list_tenants = list_tenants
        self._silo_tenants = silo_tenants
        self._tenant_claim = tenant_claim
        self._clock = clock
        self._routes = {
            "PUT /session": self._put_session,
            "DELETE /session": self._delete_session,
            "GET /tenant": self._get_tenants,
            "GET /broadcast/{id}": self._get_broadcast,
        }

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The response to a request in payload format 2.0; its `routeKey` is one of the routes above."""
        return self._routes[event["routeKey"]](event)

    def _put_session(self, event: Mapping[str, Any]) -> dict[str, Any]:
        query = event.get("queryStringParameters") or {}
        claims = _claims(event)
        claimed, source = (
            (query.get("playerId"), "playerId") if claims is None else (claims.get(_SUBJECT, ""), _SUBJECT)
        )
        try:
            tenant_id, session_id = ids.tenant_id(query.get("tenantId")), ids.session_id(query.get("sessionId"))
            player = None if claimed is None else ids.player_id(claimed, source)
        except InvalidFieldError as error:
            return _error(400, _SUBJECT, str(error)) if error.field == _SUBJECT else _reply(400, _INVALID)
        if not self._is_of(claims, tenant_id):
            return _FORBIDDEN
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            return _reply(400, _INVALID)
        now = int(self._clock())
        expires_at = now + tenant.session_seconds
        if not self._sessions.renew(tenant_id, session_id, player=player, expires_at=expires_at, now=now):
            return _error(409, "playerId", "the session is bound to another player")
        count("SessionRenewed")
        return _reply(200, {"Attributes": {"sessionTTL": expires_at}, "webSocketUrl": self._websocket_url})

    def _delete_session(self, event: Mapping[str, Any]) -> dict[str, Any]:
        query = event.get("queryStringParameters") or {}
        try:
            tenant, session = ids.tenant_id(query.get("tenantId")), ids.session_id(query.get("sessionId"))
        except InvalidFieldError:
            return _reply(400, _INVALID)
        if not self._is_of(_claims(event), tenant):
            return _FORBIDDEN
        if not self._sessions.delete(tenant, session):
            return _reply(400, _INVALID)
        count("SessionDeleted")
        return _reply(200, {})

    def _is_of(self, claims: Mapping[str, str] | None, tenant: ids.TenantId) -> bool:
        """Whether a caller with these claims may act for the tenant; without a token, the route has decided that."""
        if claims is None or claims.get(self._tenant_claim) == tenant:
            return True
        count("TokenOfOtherTenant")
        logger.warning("a token is not the tenant's", tenant_id=tenant, claim=self._tenant_claim)
        return False

    def _get_tenants(self, _: Mapping[str, Any]) -> dict[str, Any]:
        if not self._list_tenants:
            return _FORBIDDEN
        items = [
            {**tenant.to_wire(), "silo": tenant.tenant_id in self._silo_tenants} for tenant in self._tenants.everyone()
        ]
        return _reply(200, {"Items": items})

    def _get_broadcast(self, event: Mapping[str, Any]) -> dict[str, Any]:
        try:
            broadcast_id = ids.broadcast_id(event["pathParameters"]["id"])
        except InvalidFieldError as error:
            return _error(400, error.field, str(error))
        report = self._broadcasts.report(broadcast_id)
        if report is None:
            return _error(404, "broadcastId", "there is no such broadcast")
        return _reply(200, report.to_wire())


def _claims(event: Mapping[str, Any]) -> Mapping[str, str] | None:
    """The claims of the request's JWT; None where the route asks for none."""
    token = event.get("requestContext", {}).get("authorizer", {}).get("jwt")
    return None if token is None else token.get("claims") or {}


def _error(status: int, field: str, message: str) -> dict[str, Any]:
    return _reply(status, {"error": {"field": field, "message": message}})


def _reply(status: int, body: object) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", "cache-control": "no-store"},
        "body": codec.encode_text(body),
    }


_FORBIDDEN = _reply(403, {"message": "Forbidden"})
