"""Admission of clients at the rate at which a cell's account lets connections in.

API Gateway refuses handshakes above that rate, and a browser does not learn the reason. All clients ask for their
session before they connect, and the answer names the time of each client of a crowd.

- A *slot* is a time at which one client may connect. Every client that is let in takes the next one. Slots are as far
  apart as the rate says: clients that come late, or past the line, make others wait and exceed nothing.
- A client that finds others waiting gets an *appointment*, and asks again then. Appointments are a little further
  apart than slots; the difference is the *reserve*.
- The first clients of each tenant in a minute go past the line, as long as slots are near. So the clients of a small
  tenant wait only for a slot, however long the line of another tenant is.
- A slot that nobody takes is given to the next client that asks, even if many have an appointment later.
- A tenant gets as many appointments in a minute as it may have attempts to connect: more would be refused later.

The turns of a session, its slots and appointments, are kept. So a client that asks too early gets no second one.
Decision 0044 has the reasons and the numbers.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from math import ceil, inf
from random import Random
from typing import NamedTuple

from loudhailer.errors import BusyError, TransientError
from loudhailer.ids import CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, LineEnds, Turn
from loudhailer.limits.line.port import LONGEST_SECONDS, LineStore
from loudhailer.limits.model import appointments_of_tenant, connects_past_the_line, minute_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.tenants.model import Tenant

HEADROOM = 0.99
"""Part of the rate that is divided into slots; the rest is for clients that connect without asking."""

_EARLY_SECONDS = 0.3
"""Seconds before its slot from which a client may connect. API Gateway's bucket holds a second of the rate: the rest of
the bucket is for clients that are late."""

_CROWD_SECONDS = 0.15
"""A line begins when slots are taken this many seconds ahead; clients go past it while slots are nearer. It is less
than the time above, so that a client with an appointment usually gets a slot at once."""

_IDLE_SECONDS = 0.05
"""While slots are taken at most this many seconds ahead, a client gets a slot even if others have appointments."""

_LATE_SECONDS = {Kind.SLOT: 1.5, Kind.APPOINTMENT: 300.0}
"""Time for which a turn is kept. `Retry-After` has whole seconds, so a client may come a second after its slot. One
that sleeps may come minutes after its appointment, and takes the next slot like any other."""

_WRITES_A_SECOND = 500.0
"""Most writes to the row of a line in a second: at a higher rate of slots, each write takes several slots."""

_APPOINTMENTS_SECONDS = 0.02
"""Seconds of the line that an environment takes at once at most, as appointments for its next clients."""

_PART_TAKEN = 10
"""An environment takes one further time at once for each so many that it has given: unused times are lost."""

_KNOWN_SECONDS = 0.1
"""Time for which an environment uses the ends of a line without reading them again."""

_BUSY_SECONDS = 1.0, 3.0
"""Bounds of the time in seconds after which a client asks again if the store is too busy."""

_TENANTS_PAST_THE_LINE = 10
"""Tenants that may all send as many clients past the line as a tenant may, within the reserve."""


class Wait(NamedTuple):
    """Seconds after which a client is to ask again."""

    seconds: float


class LimitReached(Enum):
    """A limit for which a client is refused, and gets no turn."""

    TENANT_MINUTE = auto()


class _Times:
    """Times of one kind that this environment has taken from a cell's line, and has not given to a client yet.

    It takes from `least` to `most` at once.
    """

    def __init__(self, kind: Kind, rate: float, *, least: int, most: int) -> None:
        self.kind = kind
        self.apart = 1 / rate
        self._least = least
        self._most = most
        self._given = 0
        self._end = 0.0
        self._unused: deque[float] = deque()

    def number(self, now: float) -> int:
        """Return the number of times to take next. After an idle time it is the least again."""
        if self._end < now - _EARLY_SECONDS:
            self._given = 0
        return min(self._most, max(self._least, self._given // _PART_TAKEN))

    def fill(self, end: float, number: int) -> None:
        """Add the times that were taken last; they end there."""
        self._end = end
        self._unused.extend(end - self.apart * each for each in range(number, 0, -1))

    def next(self, now: float) -> float | None:
        """Remove and return the next time that is not over; None if there is none."""
        while self._unused:
            if (at := self._unused.popleft()) >= now - _EARLY_SECONDS:
                self._given += 1
                return at
        return None

    @property
    def is_used_up(self) -> bool:
        """True if further times must be taken from the line for the next client."""
        return not self._unused


@dataclass(slots=True)
class _Line:
    """A cell's line, as far as this environment knows; its ends were seen at that time.

    Attributes:
        most_past_the_line: clients of a tenant that may go past the line in a minute.
        in_line: tenants that had more in this minute.
    """

    slots: _Times
    appointments: _Times
    most_past_the_line: int
    in_line: set[TenantId] = field(default_factory=set)
    ends: LineEnds = field(default_factory=LineEnds)
    seen_at: float = -inf


class Admission:
    """Lets in `per_second` clients of each cell, 0 for any number; the part `reserve` is for clients past the line.

    A cell in `per_second_on` has a rate of its own.
    """

    def __init__(
        self,
        store: LineStore,
        limits: LimitStore,
        *,
        per_second: float,
        per_second_on: Mapping[CellName, float] | None = None,
        reserve: float,
        clock: Callable[[], float],
        random: Random,
    ) -> None:
        self._store = store
        self._limits = limits
        self._per_second = per_second
        self._per_second_on = per_second_on or {}
        self._reserve = reserve
        self._clock = clock
        self._random = random
        self._lines: dict[CellName, _Line] = {}
        self._minute = 0
        self._refused: set[TenantId] = set()

    def admit(self, cell: CellName, tenant: Tenant, session: SessionId) -> Wait | LimitReached | None:
        """Return None if a client of the session may connect to the cell now, else the time until it is to ask again.

        A client is refused if its tenant has used up its attempts of this minute.

        If the store is too busy, clients ask again: in such a storm none of them may connect without a slot. If it does
        not answer, clients are let in: API Gateway may refuse their handshakes, as it would without a line.
        """
        if not self._per_second_on.get(cell, self._per_second):
            return None
        try:
            answer = self._admit(cell, tenant, session)
        except BusyError:
            answer = Wait(self._random.uniform(*_BUSY_SECONDS))
        except TransientError as error:
            count("AdmissionUnknown")
            logger.warning("a client is let in, because the line does not answer", cell=cell, error=str(error))
            return None
        if isinstance(answer, Wait):
            count("ClientDelayed")
        return answer

    def _admit(self, cell: CellName, tenant: Tenant, session: SessionId) -> Wait | LimitReached | None:
        now = self._clock()
        line = self._line(cell)
        if line.seen_at < now - _KNOWN_SECONDS:
            line.ends, line.seen_at = self._store.ends(cell), now
        self._begin_minute(int(now))
        if line.ends.last <= now + _CROWD_SECONDS and tenant.tenant_id not in self._refused:
            return self._slot(cell, line, tenant, session, now)
        kept = self._store.turns(tenant.tenant_id, session)
        held = [turn for turn in kept if turn.at >= now - _LATE_SECONDS[turn.kind]]
        due = [turn for turn in held if turn.at <= now + _EARLY_SECONDS]
        for turn in sorted(due, key=lambda each: (each.kind is not Kind.SLOT, each.at)):
            if self._store.use(tenant.tenant_id, session, turn, [each for each in kept if each not in held]):
                return None if turn.kind is Kind.SLOT else self._slot(cell, line, tenant, session, now)
        early = [turn.at for turn in held if turn not in due]
        if len(early) >= tenant.connections_per_session:
            return Wait(min(early) - now)
        if tenant.tenant_id in self._refused:
            return LimitReached.TENANT_MINUTE
        if self._may_take_a_slot(line, tenant.tenant_id, now):
            return self._slot(cell, line, tenant, session, now)
        return self._appointment(cell, line, tenant, session, now)

    def _may_take_a_slot(self, line: _Line, tenant: TenantId, now: float) -> bool:
        """Tell whether a client that has no turn takes the next slot, though others have appointments."""
        ahead = line.ends.slot - now
        return ahead <= _IDLE_SECONDS or (ahead <= _CROWD_SECONDS and self._goes_past_the_line(line, tenant, int(now)))

    def _line(self, cell: CellName) -> _Line:
        if cell not in self._lines:
            per_second = self._per_second_on.get(cell, self._per_second)
            slots = per_second * HEADROOM
            appointments = slots * (1 - self._reserve)
            together = ceil(slots / _WRITES_A_SECOND)
            self._lines[cell] = _Line(
                _Times(Kind.SLOT, slots, least=together, most=together),
                _Times(
                    Kind.APPOINTMENT, appointments, least=1, most=max(1, round(appointments * _APPOINTMENTS_SECONDS))
                ),
                max(1, int(60 * per_second * self._reserve / _TENANTS_PAST_THE_LINE)),
            )
        return self._lines[cell]

    def _next(self, cell: CellName, line: _Line, times: _Times, now: float) -> float:
        """Return the next free slot or appointment."""
        while (at := times.next(now)) is None:
            number = times.number(now)
            line.ends, line.seen_at = self._store.extend(cell, times.kind, number * times.apart, now), now
            times.fill(line.ends.of(times.kind), number)
        return at

    def _slot(self, cell: CellName, line: _Line, tenant: Tenant, session: SessionId, now: float) -> Wait | None:
        """Give the client the next slot."""
        slot = self._next(cell, line, line.slots, now)
        return self._keep(tenant, session, Turn(Kind.SLOT, slot), now)

    def _appointment(
        self, cell: CellName, line: _Line, tenant: Tenant, session: SessionId, now: float
    ) -> Wait | LimitReached | None:
        """Give the client the next appointment, or a slot if that is soon."""
        times = line.appointments
        if times.is_used_up and self._has_used_up_its_minute(tenant, times.number(now), int(now)):
            return LimitReached.TENANT_MINUTE
        appointment = self._next(cell, line, times, now)
        if appointment <= now + _CROWD_SECONDS:
            return self._slot(cell, line, tenant, session, now)
        return self._keep(tenant, session, Turn(Kind.APPOINTMENT, appointment), now)

    def _keep(self, tenant: Tenant, session: SessionId, turn: Turn, now: float) -> Wait | None:
        """Let the client in if its slot is near; else keep the turn, and let the client wait."""
        if turn.kind is Kind.SLOT and turn.at <= now + _EARLY_SECONDS:
            return None
        # All turns of a session expire together, so a later turn must not shorten the lifetime of earlier ones.
        expires_at = ceil(now + LONGEST_SECONDS + _LATE_SECONDS[Kind.APPOINTMENT])
        self._store.keep(tenant.tenant_id, session, turn, expires_at=expires_at)
        return Wait(turn.at - now)

    def _goes_past_the_line(self, line: _Line, tenant: TenantId, now: int) -> bool:
        """Tell whether the client is one of its tenant's first in this minute; others are counted no more."""
        if tenant in line.in_line:
            return False
        if self._limits.count_in_minute(connects_past_the_line(tenant), now) <= line.most_past_the_line:
            return True
        line.in_line.add(tenant)
        return False

    def _has_used_up_its_minute(self, tenant: Tenant, number: int, now: int) -> bool:
        """Tell whether the tenant has as many appointments in this minute as it may have attempts to connect.

        They are counted as they are taken from the line, several at once, for the tenant of the first client.
        """
        counted = self._limits.count_in_minute(appointments_of_tenant(tenant.tenant_id), now, number)
        if counted - number < tenant.tenant_per_minute:
            return False
        self._refused.add(tenant.tenant_id)
        return True

    def _begin_minute(self, now: int) -> None:
        """Forget the tenants of the former minute."""
        if minute_of(now) != self._minute:
            self._minute = minute_of(now)
            for line in self._lines.values():
                line.in_line.clear()
            self._refused.clear()
