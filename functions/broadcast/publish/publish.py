"""Validate, record and announce a broadcast.

A broadcast is durable before the request is answered. The summary is recorded first. So publishing the same content
again under the same id is the same broadcast. It is announced again only if the topic may not have it yet.
"""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from loudhailer import codec, ids
from loudhailer.broadcast import audience as audiences
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import Audience, Everyone, OfSession
from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES, broadcast_frame
from loudhailer.broadcast.port import BroadcastStore, Topic
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import BroadcastId, CellName, TenantId
from loudhailer.tenants.model import Tenant


class Tenants(Protocol):
    """Knows the tenants."""

    def get(self, tenant: TenantId) -> Tenant | None:
        """The tenant, or None."""

    def reread(self, tenant: TenantId) -> Tenant | None:
        """The tenant as it is now, or None."""


class CellsOfAudience(Protocol):
    """Knows the further cells."""

    def of(self, audience: Audience) -> Mapping[CellName, int | None]:
        """The further cells that a broadcast is for, each with its recipients by count, or None."""


class UnknownTenantError(InvalidFieldError):
    """The audience names a tenant that does not exist."""


class MessageTooLargeError(InvalidFieldError):
    """The frame would be larger than API Gateway delivers."""


class ContentConflictError(InvalidFieldError):
    """The id was used for a broadcast with other content."""


class Publish:
    """Accepts one broadcast."""

    def __init__(
        self,
        tenants: Tenants,
        broadcasts: BroadcastStore,
        topic: Topic,
        *,
        lifetime_seconds: int,
        clock: Callable[[], float],
        cells: CellsOfAudience | None = None,
    ) -> None:
        self._tenants = tenants
        self._broadcasts = broadcasts
        self._announce = Announcer(broadcasts, topic, lifetime_seconds=lifetime_seconds, clock=clock)
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock
        self._cells = cells

    def __call__(self, request: dict[str, Any], *, everyone_by_default: bool = False) -> BroadcastId:
        """Publish the broadcast and return its id; InvalidFieldError or a subclass if it is refused.

        The request's `message` is a `JsonText`. A broadcast's content is its audience and the bytes of its message.
        """
        audience = self._audience(request, everyone_by_default=everyone_by_default)
        broadcast_id = ids.broadcast_id(request["broadcastId"]) if "broadcastId" in request else ids.new_broadcast_id()
        now_ms = int(self._clock() * 1000)
        message = codec.JsonText(request["message"])
        size = len(broadcast_frame(broadcast_id, now_ms, message).encode())
        if size > MAX_MESSAGE_BYTES:
            raise MessageTooLargeError("message", f"makes a frame of {size} bytes; {MAX_MESSAGE_BYTES} are the most")
        content = codec.canonical({"audience": audiences.to_wire(audience), "message": codec.verbatim(message)})
        summary = self._broadcasts.record(
            Summary(
                broadcast_id=broadcast_id,
                audience=audience,
                content_hash=hashlib.sha256(content).hexdigest(),
                published_at=now_ms,
                cells=None if self._cells is None else self._cells.of(audience),
                ends_at=None if self._cells is None else now_ms // 1000 + self._lifetime_seconds,
            )
        )
        if summary.content_hash != hashlib.sha256(content).hexdigest():
            raise ContentConflictError("broadcastId", "was used for a broadcast with other content")
        if not summary.announced:
            frame = broadcast_frame(broadcast_id, summary.published_at, message)
            self._announce(summary, frame)
        return broadcast_id

    def _audience(self, request: dict[str, Any], *, everyone_by_default: bool) -> Audience:
        if unknown := sorted(request.keys() - {"audience", "message", "broadcastId"}):
            raise InvalidFieldError(unknown[0][:64], "is not a field of a broadcast")
        if "message" not in request:
            raise InvalidFieldError("message", "is missing")
        if "audience" not in request:
            if everyone_by_default:
                return Everyone()
            raise InvalidFieldError("audience", "is missing")
        audience = audiences.from_wire(request["audience"])
        if isinstance(audience, Everyone):
            return audience
        of_session = isinstance(audience, OfSession)
        # A key that the tenant no longer has would find no session.
        tenant = self._tenants.reread(audience.tenant) if of_session else self._tenants.get(audience.tenant)
        if tenant is None:
            raise UnknownTenantError("audience.tenantId", "is not a tenant")
        if isinstance(audience, OfSession):
            # The publisher names the session by its secret id; from here on the session is known by its hashed id
            # alone.
            return OfSession(audience.tenant, tenant.session_id_of(ids.session_secret(audience.session)))
        return audience
