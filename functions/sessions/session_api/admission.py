"""Admission of clients at the rate at which a cell's account lets connections in.

API Gateway refuses handshakes above that rate, and a browser does not learn the reason. All clients ask for their
session before they connect, and the answer names the time of each client of a crowd.

- A *slot* is a time at which one client may connect. Every client that is let in takes the next one. Slots are as far
  apart as the rate says: clients that come late, or past the line, make others wait and exceed nothing.
- A client that finds others waiting gets an *appointment*, and asks again then. Appointments are a little further
  apart than slots; the difference is the *reserve*.
- The first clients of each tenant in a minute go past the line. So the clients of a small tenant wait for a slot alone,
  however long the line of another tenant is.

The turns of a session, its slots and appointments, are kept. So a client that asks too early gets no second one.
Decision 0044 has the reasons and the numbers.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil
from typing import NamedTuple

from loudhailer.errors import TransientError
from loudhailer.ids import CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, LineEnds, Turn
from loudhailer.limits.line.port import LineStore
from loudhailer.limits.model import connects_past_the_line, minute_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count, logger
from loudhailer.tenants.model import Tenant

HEADROOM = 0.99
"""Part of the rate that slots have; clients that connect without asking have the rest."""

_EARLY_SECONDS = 0.3
"""Time by which a client may come before its slot. API Gateway's bucket holds a second of the rate: the rest of it is
for clients that are late."""

_CROWD_SECONDS = 0.15
"""A line begins when slots are taken so far ahead. It is less than the time above, so that a client with an appointment
usually gets a slot at once."""

_LATE_SECONDS = {Kind.SLOT: 1.5, Kind.APPOINTMENT: 300.0}
"""Time for which a turn is kept. `Retry-After` has whole seconds, so a client may come a second after its slot. One
that sleeps may come minutes after its appointment, and takes the next slot like any other."""

_WRITES_A_SECOND = 500.0
"""The most often that slots of a cell are taken: above that rate an environment takes several at once."""

_APPOINTMENTS_SECONDS = 0.02
"""Length of the appointments that an environment takes at once, and gives to one client after the other."""

_TENANTS_PAST_THE_LINE = 10
"""Tenants that may all send as many clients past the line as a tenant may, within the reserve."""


class Wait(NamedTuple):
    """The seconds after which a client is to ask again."""

    seconds: float


class _Times:
    """Times of one kind that this environment has taken from a cell's line, and not given to a client yet."""

    def __init__(self, kind: Kind, rate: float, together: int) -> None:
        self.kind = kind
        self.seconds = together / rate
        self._each = 1 / rate
        self._together = together
        self._unused: deque[float] = deque()

    def fill(self, end: float) -> None:
        """Add the times that were taken last; they end there."""
        self._unused.extend(end - self._each * number for number in range(self._together, 0, -1))

    def next(self, now: float) -> float | None:
        """Remove the next time that is not over, and return it; None if there is none."""
        while self._unused:
            if (at := self._unused.popleft()) >= now - _EARLY_SECONDS:
                return at
        return None

    def give_back(self, at: float) -> None:
        """Put a time back that no client got."""
        self._unused.appendleft(at)


@dataclass(slots=True)
class _Line:
    """A cell's line, as far as this environment knows."""

    slots: _Times
    appointments: _Times
    ends: LineEnds = field(default_factory=LineEnds)


class Admission:
    """Lets in `per_second` clients of each cell, 0 for any number; the part `reserve` is for clients past the line."""

    def __init__(
        self, store: LineStore, limits: LimitStore, *, per_second: float, reserve: float, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._limits = limits
        self._rate = per_second * HEADROOM
        self._reserve = reserve
        self._most_past_the_line = max(1, int(60 * per_second * reserve / _TENANTS_PAST_THE_LINE))
        self._clock = clock
        self._lines: dict[CellName, _Line] = {}
        self._minute = 0
        self._in_line: set[TenantId] = set()

    def admit(self, cell: CellName, tenant: Tenant, session: SessionId) -> Wait | None:
        """Return None if a client of the session may connect to the cell now, else the time until it is to ask again.

        Clients are let in while the store does not answer: API Gateway may refuse their handshakes, as without a line.
        """
        if not self._rate:
            return None
        try:
            wait = self._admit(cell, tenant, session)
        except TransientError as error:
            count("AdmissionUnknown")
            logger.warning("a client is let in though the line does not answer", cell=cell, error=str(error))
            return None
        if wait is not None:
            count("ClientDelayed")
        return wait

    def _admit(self, cell: CellName, tenant: Tenant, session: SessionId) -> Wait | None:
        now = self._clock()
        line = self._line(cell)
        if line.ends.last <= now + _CROWD_SECONDS:
            slot = self._next(cell, line, line.slots, now)
            if line.ends.appointment <= now + _CROWD_SECONDS:
                return self._keep(tenant, session, Turn(Kind.SLOT, slot), now)
            line.slots.give_back(slot)  # others have begun to wait
        kept = self._store.turns(tenant.tenant_id, session)
        held = [turn for turn in kept if turn.at >= now - _LATE_SECONDS[turn.kind]]
        due = [turn for turn in held if turn.at <= now + _EARLY_SECONDS]
        for turn in sorted(due, key=lambda each: (each.kind is not Kind.SLOT, each.at)):
            if self._store.use(tenant.tenant_id, session, turn, [each for each in kept if each not in held]):
                return None if turn.kind is Kind.SLOT else self._slot(cell, line, tenant, session, now)
        early = [turn.at for turn in held if turn not in due]
        if len(early) >= tenant.connections_per_session:
            return Wait(min(early) - now)
        if self._goes_past_the_line(tenant.tenant_id, int(now)):
            return self._slot(cell, line, tenant, session, now)
        appointment = self._next(cell, line, line.appointments, now)
        if appointment <= now + _CROWD_SECONDS:
            return self._slot(cell, line, tenant, session, now)
        return self._keep(tenant, session, Turn(Kind.APPOINTMENT, appointment), now)

    def _line(self, cell: CellName) -> _Line:
        if cell not in self._lines:
            rate = self._rate * (1 - self._reserve)
            self._lines[cell] = _Line(
                _Times(Kind.SLOT, self._rate, ceil(self._rate / _WRITES_A_SECOND)),
                _Times(Kind.APPOINTMENT, rate, max(1, round(rate * _APPOINTMENTS_SECONDS))),
            )
        return self._lines[cell]

    def _next(self, cell: CellName, line: _Line, times: _Times, now: float) -> float:
        """Return the next slot or appointment that no client has."""
        while (at := times.next(now)) is None:
            line.ends = self._store.extend(cell, times.kind, times.seconds, now)
            times.fill(line.ends.of(times.kind))
        return at

    def _slot(self, cell: CellName, line: _Line, tenant: Tenant, session: SessionId, now: float) -> Wait | None:
        """Give the client the next slot."""
        slot = self._next(cell, line, line.slots, now)
        return self._keep(tenant, session, Turn(Kind.SLOT, slot), now)

    def _keep(self, tenant: Tenant, session: SessionId, turn: Turn, now: float) -> Wait | None:
        """Let the client in if its slot is near; else keep the turn, and let the client wait."""
        if turn.kind is Kind.SLOT and turn.at <= now + _EARLY_SECONDS:
            return None
        expires_at = ceil(turn.at + _LATE_SECONDS[turn.kind]) + 1
        self._store.keep(tenant.tenant_id, session, turn, expires_at=expires_at)
        return Wait(turn.at - now)

    def _goes_past_the_line(self, tenant: TenantId, now: int) -> bool:
        """Tell whether the client is one of its tenant's first in this minute; others are counted no more."""
        if minute_of(now) != self._minute:
            self._minute = minute_of(now)
            self._in_line.clear()
        if tenant in self._in_line:
            return False
        if self._limits.count_in_minute(connects_past_the_line(tenant), now) <= self._most_past_the_line:
            return True
        self._in_line.add(tenant)
        return False
