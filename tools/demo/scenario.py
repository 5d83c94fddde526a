"""Cast of the demonstration: tenants, sessions, sockets, and the departures of some."""

import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from loudhailer.broadcast.audience import Audience, Everyone, OfSession, OfTenant
from loudhailer.ids import SessionId, TenantId
from loudhailer.tenants.model import Tenant
from tools.client.socket import Departure

_SHARES = {TenantId("demo-red"): 5, TenantId("demo-green"): 3, TenantId("demo-blue"): 2}
"""The tenants, and how many of each ten sockets are theirs."""

_SESSIONS_PER_TENANT = 5
_SESSION_SECONDS = 3_600
_RESET_EVERY = 3


@dataclass(frozen=True)
class Seat:
    """The place that one socket takes."""

    number: int
    tenant: TenantId
    session: SessionId


@dataclass(frozen=True)
class Scenario:
    """The cast: one seat a socket, numbered from 0."""

    seats: tuple[Seat, ...]

    @classmethod
    def of(cls, sockets: int, cells: int = 1) -> "Scenario":
        """A cast of that many sockets, spread over the tenants by their shares and over their sessions evenly.

        With more cells there are more sessions, so that each cell gets some.
        """
        cycle = [tenant for tenant, share in _SHARES.items() for _ in range(share)]
        a_tenant = _SESSIONS_PER_TENANT * cells
        sessions = {tenant: [SessionId(str(uuid.uuid4())) for _ in range(a_tenant)] for tenant in _SHARES}
        taken: Counter[TenantId] = Counter()
        seats = []
        for number in range(sockets):
            tenant = cycle[number % len(cycle)]
            seats.append(Seat(number, tenant, sessions[tenant][taken[tenant] % a_tenant]))
            taken[tenant] += 1
        return cls(tuple(seats))

    @property
    def tenants(self) -> list[Tenant]:
        """The tenants, with limits that are never reached."""
        room = 2 * len(self.seats)
        return [
            Tenant(
                tenant_id=tenant,
                tenant_connections=room,
                connections_per_session=room,
                tenant_per_minute=room,
                session_per_minute=room,
                messages_per_minute=room,
                session_seconds=_SESSION_SECONDS,
            )
            for tenant in _SHARES
        ]

    @property
    def sessions(self) -> list[tuple[TenantId, SessionId]]:
        """Every session, once."""
        return list(dict.fromkeys((seat.tenant, seat.session) for seat in self.seats))

    @property
    def audiences(self) -> list[Audience]:
        """Audiences of the three broadcasts."""
        first = self.seats[0]
        return [Everyone(), OfTenant(first.tenant), OfSession(first.tenant, first.session)]

    def recipients(self, audience: Audience) -> set[int]:
        """The numbers of the seats that a broadcast to the audience must reach."""
        match audience:
            case Everyone():
                return {seat.number for seat in self.seats}
            case OfTenant(tenant):
                return {seat.number for seat in self.seats if seat.tenant == tenant}
            case OfSession(tenant, session):
                return {seat.number for seat in self.seats if (seat.tenant, seat.session) == (tenant, session)}
        raise ValueError(f"the demonstration has no {audience}")

    @property
    def departures(self) -> dict[int, Departure]:
        """The seats that are left half-way, every second one, and how: every third of them without a close frame."""
        return {
            seat.number: Departure.RESET if index % _RESET_EVERY == 0 else Departure.CLOSE
            for index, seat in enumerate(self.seats[::2])
        }


def occupied(seats: Iterable[Seat]) -> Counter[TenantId]:
    """Return how many of the seats each tenant has."""
    count = Counter(dict.fromkeys(_SHARES, 0))
    count.update(seat.tenant for seat in seats)
    return count
