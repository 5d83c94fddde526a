"""Validate, record and announce a broadcast.

A broadcast is durable before the request is answered. The summary is recorded first. So publishing the same content
again under the same id is the same broadcast. It is announced again only if the topic may not have it yet. A broadcast
to few recipients takes the short path, unless the request says `bulk`. The summary keeps the deadline, so a repeated
request does not change it.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, Protocol

from functions.broadcast.publish.short_path import MOST_PARTITIONS, ShortPath
from loudhailer import codec, ids
from loudhailer.broadcast import audience as audiences
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.audience import Audience, Counted, Everyone, OfChannel, OfSession, OfTenant, keys_of
from loudhailer.broadcast.estimate import estimated_express_seconds, estimated_seconds
from loudhailer.broadcast.model import Chunk, Summary
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES
from loudhailer.broadcast.port import BroadcastStore, Topic
from loudhailer.broadcast.search import Page
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import BroadcastId, CellName, Partition, TenantId
from loudhailer.observability import count, logger
from loudhailer.partitions.audiences import Audiences
from loudhailer.tenants.model import Tenant

_FIELDS = {"audience", "message", "broadcastId", "priority", "deadlineSeconds"}

_MOST_COUNTED = 2_000
"""Most partitions that a request counts, of all tenants: they fit into one page of 1 MB. `swarm` counts more."""

type Urgency = Literal["express", "bulk"]


class Tenants(Protocol):
    """Knows the tenants."""

    def get(self, tenant: TenantId) -> Tenant | None:
        """The tenant, or None."""

    def reread(self, tenant: TenantId) -> Tenant | None:
        """The tenant, read from the table now, or None."""


class CellsOfAudience(Protocol):
    """Names the further cells of an audience."""

    def of(self, audience: Audience) -> Mapping[CellName, int | None]:
        """Return the further cells that may have recipients, each with their number, or None."""


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


@dataclass(slots=True)
class _FoundRecipients:
    """Recipients of a broadcast that were found before it is announced; None for an unknown value.

    Attributes:
        counts: connections of each partition of the audience.
        recipients: all of them, if they are few.
        has_failed: reading or recording the recipients failed.
    """

    counts: Mapping[Partition, int] | None = None
    recipients: Page | None = None
    has_failed: bool = False

    @property
    def expected(self) -> int | None:
        """Return the sum of the counts."""
        return None if self.counts is None else sum(self.counts.values())


class Publish:
    """Accepts one broadcast."""

    def __init__(
        self,
        tenants: Tenants,
        audiences: Audiences,
        broadcasts: BroadcastStore,
        topic: Topic,
        short_path: ShortPath,
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
        self._audiences = audiences
        self._broadcasts = broadcasts
        self._short_path = short_path
        self._announce = Announcer(broadcasts, topic, lifetime_seconds=lifetime_seconds, clock=clock)
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
        found = self._find_recipients(recorded_before or summary, "bulk" if recorded_before else wanted)
        recorded, chunk = (recorded_before, None) if recorded_before else self._record(summary, found)
        if recorded.content_hash != summary.content_hash:
            raise ContentConflictError("broadcastId", "was used for a broadcast with other content")
        if not recorded.announced:
            self._send(recorded, chunk, audience.frame(broadcast_id, recorded.published_at, message))
        expected = found.expected if recorded.expected is None else recorded.expected
        note = None
        if wanted == "express" and not recorded.express:
            note = self._not_express(summary, found) if recorded is summary else "it was accepted as bulk before"
        return self._accepted(recorded, None if recorded.cells else expected, note)

    def _find_recipients(self, summary: Summary, wanted: Urgency | None) -> _FoundRecipients:
        """Return the counts of the audience's partitions, and the recipients of a small broadcast.

        Either is None if it is not known, not needed, or cannot be read now: then `swarm` and `query` read the
        recipients. The answer has no number if there are further cells, and the recorded one if there is one.
        """
        found = _FoundRecipients()
        if summary.cells or summary.expected is not None:
            return found
        may_be_small = wanted != "bulk" and self._short_path.most > 0
        try:
            found.counts = self._counts(summary.audience)
            is_known = found.counts is not None or not isinstance(summary.audience, Counted)
            if may_be_small and is_known:
                found.recipients = self._short_path.recipients(summary.audience, found.counts or {})
        except TransientError as error:
            found.has_failed = True
            if may_be_small:
                count("ShortPathLeft")
                logger.exception("the recipients of a broadcast could not be read; it takes the long way")
            else:
                logger.warning("the recipients of a broadcast could not be counted", error=str(error))
        return found

    def _record(self, summary: Summary, found: _FoundRecipients) -> tuple[Summary, Chunk | None]:
        """Record the broadcast; return the recorded summary, and the chunk of a small broadcast that is new.

        A transaction may conflict with another one, or its answer may be lost. Then the summary is put alone. After the
        first of the two writes, the other one's condition fails.
        """
        if found.recipients is not None:
            try:
                return self._short_path.record(summary, found.counts or {}, found.recipients)
            except TransientError:
                found.has_failed = True
                count("ShortPathLeft")
                logger.exception("a broadcast could not be recorded at once; it takes the long way")
        return self._broadcasts.record(summary), None

    def _send(self, recorded: Summary, chunk: Chunk | None, frame: str) -> None:
        if recorded.express:
            announcement = self._announce.announcement(recorded, frame)
            self._short_path.send(announcement, chunk, cancelled=recorded.cancelled)
            self._announce.note(recorded, announcement)
        else:
            self._announce(recorded, frame)

    def _not_express(self, summary: Summary, found: _FoundRecipients) -> str:
        most = self._short_path.most
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

    def _counts(self, audience: Audience) -> Mapping[Partition, int] | None:
        """Return the counts of an audience of whole partitions; None for another one, or for too many partitions."""
        match audience:
            case Everyone():
                known = self._audiences.first_everywhere(_MOST_COUNTED + 1)
                if len(known) > _MOST_COUNTED:
                    return None
            case OfTenant() | OfChannel():
                known = self._audiences.of(keys_of(audience))
            case _:
                return None
        return {one.partition: max(0, one.count) for one in known}

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
