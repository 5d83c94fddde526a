"""Admit a handshake if its tenant and its session exist and the session has not expired.

A client without an identity gets 401, a client with a wrong identity 403. An admitted client gets its partition, and
the context that API Gateway adds to every later request of the connection:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-lambda-auth.html
"""

from collections.abc import Callable, Mapping
from typing import Any

from loudhailer import ids
from loudhailer.errors import InvalidFieldError
from loudhailer.observability import count, logger
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore
from loudhailer.tenants.cache import CachedTenants
from loudhailer.tenants.model import Tenant
from loudhailer.websocket.identity import ConnectionIdentity


class UnauthorizedError(Exception):
    """The handshake has no identity: API Gateway answers 401 to an error of exactly this text."""

    def __init__(self) -> None:
        super().__init__("Unauthorized")


class _Denied(Exception):  # noqa: N818  # a decision, not an error
    """The identity is wrong; the text says why, and may be logged."""


class Authorizer:
    """Admits or refuses one handshake; `part_of` gives the tenant with this cell's part of its limits."""

    def __init__(
        self,
        tenants: CachedTenants,
        sessions: SessionStore,
        partitions: PartitionAssigner,
        part_of: Callable[[Tenant], Tenant],
        *,
        clock: Callable[[], float],
    ) -> None:
        self._tenants = tenants
        self._sessions = sessions
        self._partitions = partitions
        self._part_of = part_of
        self._clock = clock

    def __call__(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The policy for a REQUEST authorizer's event.

        Raises:
            UnauthorizedError: tenantId or sessionId is missing.
            TransientError: the identity cannot be looked up now.
        """
        query = event.get("queryStringParameters") or {}
        if not query.get("tenantId") or not query.get("sessionId"):
            count("HandshakeUnauthorized")
            raise UnauthorizedError
        try:
            tenant, session = self._identified(query)
        except (_Denied, InvalidFieldError) as error:
            count("HandshakeDenied")
            logger.info("handshake denied", reason=str(error))
            return _policy("Deny", "unknown", event["methodArn"])
        partition = self._partitions.assign(tenant.tenant_id)
        count("HandshakeAllowed")
        return {
            **_policy("Allow", tenant.tenant_id, event["methodArn"]),
            "context": ConnectionIdentity.of(self._part_of(tenant), session, partition).to_context(),
        }

    def _identified(self, query: Mapping[str, str]) -> tuple[Tenant, Session]:
        tenant_id, secret = ids.tenant_id(query["tenantId"]), ids.session_secret(query["sessionId"])
        tenant = self._tenants.get(tenant_id)
        if tenant is None:
            raise _Denied("the tenant is unknown")
        session = self._sessions.get(tenant_id, tenant.session_id_of(secret))
        if session is None and tenant.session_key is not None:
            # The session may be stored under a key that the tenant got after it was cached.
            again = self._tenants.reread(tenant_id)
            if again is not None and again.session_key != tenant.session_key:
                tenant, session = again, self._sessions.get(tenant_id, again.session_id_of(secret))
        if session is None:
            raise _Denied("the session is unknown")
        if not session.is_live(self._clock()):
            raise _Denied("the session is expired")
        if query.get("playerId", session.player_id) != session.player_id:
            raise _Denied("the session is not bound to the player")
        return tenant, session


def _policy(effect: str, principal: str, method_arn: str) -> dict[str, Any]:
    """Return a policy for every route of the API's stage: `arn:aws:execute-api:{region}:{account}:{api}/{stage}/*`."""
    stage = "/".join(method_arn.split("/")[:2])
    statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": f"{stage}/*"}
    return {"principalId": principal, "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
