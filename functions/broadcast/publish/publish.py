"""Validate, record and announce a broadcast.

A broadcast is durable before the request is answered. The summary is recorded first. So publishing the same content
again under the same id is the same broadcast. It is announced again only if the topic may not have it yet. A broadcast
to few recipients takes the short path, unless the request says `bulk`. The summary keeps the deadline, so a repeated
request does not change it.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Protocol

from loudhailer import codec, ids
from loudhailer.broadcast import audience as audiences
from loudhailer.broadcast.audience import Audience, Everyone, OfChannel, OfSession
from loudhailer.broadcast.estimate import estimated_express_seconds, estimated_seconds
from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES
from loudhailer.broadcast.port import BroadcastStore
from loudhailer.broadcast.publishing.publisher import CellsOfAudience, FoundRecipients, Publisher, Urgency
from loudhailer.broadcast.publishing.short_path import MOST_PARTITIONS
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import BroadcastId, TenantId
from loudhailer.tenants.model import Tenant

_FIELDS = {"audience", "message", "broadcastId", "priority", "deadlineSeconds"}


class Tenants(Protocol):
    """Knows the tenants."""

    def get(self, tenant: TenantId) -> Tenant | None:
        """The tenant, or None."""

    def reread(self, tenant: TenantId) -> Tenant | None:
        """The tenant, read from the table now, or None."""


class UnknownTenantError(InvalidFieldError):
    """The audience names a tenant that does not exist."""


class MessageTooLargeError(InvalidFieldError):
    """The frame would be larger than API Gateway delivers."""


class ContentConflictError(InvalidFieldError):
    """The id was used for a broadcast with other content."""


class ChannelsNotYetError(InvalidFieldError):
    """The audience is a channel, and functions of a former release run, which do not know channels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedBroadcast:
    """A broadcast that was accepted.

    Attributes:
        broadcast_id: names it.
        expected: the number of its recipients, by the counts or as they were found; None where there is none.
        estimated_seconds: time until the last recipient has it, if nothing else is broadcast; None if `expected` is.
        priority: the lanes that post it.
        note: says that other lanes post it than the request asked for; None otherwise.
    """

    broadcast_id: BroadcastId
    expected: int | None
    estimated_seconds: float | None
    priority: Urgency
    note: str | None = None

    def to_wire(self) -> dict[str, Any]:
        """Return the body of the answer."""
        wire = {
            "broadcastId": self.broadcast_id,
            "expected": self.expected,
            "estimatedSeconds": self.estimated_seconds,
            "priority": self.priority,
        }
        return wire if self.note is None else {**wire, "note": self.note}


class Publish:
    """Accepts one broadcast."""

    def __init__(
        self,
        tenants: Tenants,
        broadcasts: BroadcastStore,
        publisher: Publisher,
        *,
        posts_per_second: float,
        lanes: int,
        chunk_size: int,
        lifetime_seconds: int,
        clock: Callable[[], float],
        channels_enabled: bool,
        cells: CellsOfAudience | None = None,
    ) -> None:
        self._tenants = tenants
        self._broadcasts = broadcasts
        self._publisher = publisher
        self._posts_per_second = posts_per_second
        self._lanes = lanes
        self._chunk_size = chunk_size
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock
        self._cells = cells
        self._channels_enabled = channels_enabled

    def __call__(self, request: dict[str, Any], *, everyone_by_default: bool = False) -> AcceptedBroadcast:
        """Publish the broadcast and return it; InvalidFieldError or a subclass if it is refused.

        The request's `message` is a `JsonText`. A broadcast's content is its audience and the bytes of its message.
        """
        audience = self._audience(request, everyone_by_default=everyone_by_default)
        broadcast_id = ids.broadcast_id(request["broadcastId"]) if "broadcastId" in request else ids.new_broadcast_id()
        now_ms = int(self._clock() * 1000)
        message = codec.JsonText(request["message"])
        size = len(audience.frame(broadcast_id, now_ms, message).encode())
        if size > MAX_MESSAGE_BYTES:
            raise MessageTooLargeError("message", f"makes a frame of {size} bytes; {MAX_MESSAGE_BYTES} are the most")
        wanted, seconds = _priority(request), self._seconds(request)
        content = codec.canonical({"audience": audiences.to_wire(audience), "message": codec.verbatim(message)})
        summary = Summary(
            broadcast_id=broadcast_id,
            audience=audience,
            content_hash=hashlib.sha256(content).hexdigest(),
            published_at=now_ms,
            cells=None if self._cells is None else self._cells.of(audience),
            ends_at=self._ends_at(seconds),
            has_deadline=seconds is not None,
        )
        recorded_before = self._broadcasts.summary(broadcast_id) if "broadcastId" in request else None
        found = self._publisher.find(recorded_before or summary, "bulk" if recorded_before else wanted)
        recorded, chunk = (recorded_before, None) if recorded_before else self._publisher.record(summary, found)
        if recorded.content_hash != summary.content_hash:
            raise ContentConflictError("broadcastId", "was used for a broadcast with other content")
        if not recorded.announced:
            self._publisher.send(recorded, chunk, audience.frame(broadcast_id, recorded.published_at, message))
        expected = found.expected if recorded.expected is None else recorded.expected
        note = None
        if wanted == "express" and not recorded.express:
            note = self._not_express(summary, found) if recorded is summary else "it was accepted as bulk before"
        return self._accepted(recorded, None if recorded.cells else expected, note)

    def _not_express(self, summary: Summary, found: FoundRecipients) -> str:
        most = self._publisher.most_express
        if most == 0:
            return "express is turned off"
        if summary.cells:
            return "express is for recipients on the hub's cell; there may be some on others"
        if found.has_failed:
            return "the recipients could not be read and recorded at once"
        if found.expected is not None and found.expected > most:
            return f"express is for at most {most} recipients; there are {found.expected}"
        is_everywhere = found.counts is None and isinstance(summary.audience, Everyone)
        if is_everywhere or len(found.counts or ()) > MOST_PARTITIONS:
            number = "more" if found.counts is None else len(found.counts)
            return f"express is for recipients in at most {MOST_PARTITIONS} partitions; they are in {number}"
        return f"express is for at most {most} recipients; there are more"

    def _accepted(self, recorded: Summary, expected: int | None, note: str | None) -> AcceptedBroadcast:
        return AcceptedBroadcast(
            broadcast_id=recorded.broadcast_id,
            expected=expected,
            estimated_seconds=None if expected is None else self._estimated(expected, express=recorded.express),
            priority="express" if recorded.express else "bulk",
            note=note,
        )

    def _estimated(self, recipients: int, *, express: bool) -> float:
        """Return the time that posting takes, in seconds, rounded up to hundredths."""
        rate = self._posts_per_second
        if express:
            return round(estimated_express_seconds(recipients, posts_per_second=rate), 2)
        seconds = estimated_seconds(recipients, posts_per_second=rate, lanes=self._lanes, chunk_size=self._chunk_size)
        return round(seconds, 2)

    def _ends_at(self, seconds: int | None) -> int | None:
        """Return the end of a broadcast in epoch seconds, rounded up; None without a deadline."""
        if seconds is None and self._cells is None:
            return None
        return ceil(self._clock() + (self._lifetime_seconds if seconds is None else seconds))

    def _seconds(self, request: dict[str, Any]) -> int | None:
        """Return the request's `deadlineSeconds`; None if it has none."""
        if "deadlineSeconds" not in request:
            return None
        seconds = request["deadlineSeconds"]
        if type(seconds) is not int or not 1 <= seconds <= self._lifetime_seconds:
            raise InvalidFieldError("deadlineSeconds", f"must be a whole number from 1 to {self._lifetime_seconds}")
        return seconds

    def _audience(self, request: dict[str, Any], *, everyone_by_default: bool) -> Audience:
        if unknown := sorted(request.keys() - _FIELDS):
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
        if isinstance(audience, OfChannel) and not self._channels_enabled:
            raise ChannelsNotYetError("audience.channel", "is not available yet: a new release is being rolled out")
        if isinstance(audience, OfSession):
            # The publisher names the session by its secret id; from here on the session is known by its hashed id
            # alone.
            return OfSession(audience.tenant, tenant.session_id_of(ids.session_secret(audience.session)))
        return audience


def _priority(request: dict[str, Any]) -> Urgency | None:
    priority: Urgency | None = request.get("priority")
    if "priority" in request and priority not in ("express", "bulk"):
        raise InvalidFieldError("priority", "must be express or bulk")
    return priority
