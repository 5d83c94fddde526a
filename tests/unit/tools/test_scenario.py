"""The demonstration's cast."""

from collections import Counter

import pytest

from loudhailer.broadcast.audience import Everyone, InRoom, OfSession, OfTenant
from loudhailer.ids import RoomKey, TenantId, session_id, tenant_id
from tools.client.socket import Departure
from tools.demo.scenario import Scenario, occupied

SCENARIO = Scenario.of(500)


def test_every_socket_has_a_seat_in_a_session_of_a_legal_name() -> None:
    """Names outside the grammar would be refused."""
    assert [seat.number for seat in SCENARIO.seats] == list(range(500))
    for tenant, session in SCENARIO.sessions:
        assert (tenant_id(tenant), session_id(session)) == (tenant, session)


def test_three_tenants_have_several_sessions_each() -> None:
    """Or a broadcast to one of them would prove nothing."""
    sessions = Counter(tenant for tenant, _ in SCENARIO.sessions)
    assert len(sessions) == 3
    assert min(sessions.values()) >= 2
    assert occupied(SCENARIO.seats).total() == 500


def test_limits_never_interfere_with_the_scenario() -> None:
    """The demonstration is of delivery, not of limits."""
    seats = occupied(SCENARIO.seats)
    for tenant in SCENARIO.tenants:
        limits = (tenant.tenant_connections, tenant.tenant_per_minute, tenant.session_per_minute)
        assert min(*limits, tenant.connections_per_session) >= seats[tenant.tenant_id] > 0


def test_audiences_are_everyone_one_tenant_and_one_session_of_it() -> None:
    """Each within the one before."""
    everyone, tenant, session = SCENARIO.audiences
    assert isinstance(everyone, Everyone)
    assert isinstance(tenant, OfTenant)
    assert isinstance(session, OfSession)
    sizes = [SCENARIO.recipients(audience) for audience in (everyone, tenant, session)]
    assert sizes[0] > sizes[1] > sizes[2] > set()
    assert len(sizes[0]) == 500


def test_an_audience_outside_the_scenario_is_an_error() -> None:
    """A wrong expectation must not pass for an empty one."""
    with pytest.raises(ValueError, match="no InRoom"):
        SCENARIO.recipients(InRoom(TenantId("demo-red"), RoomKey("hall")))


def test_half_of_the_sockets_leave_and_some_without_a_close_frame() -> None:
    """Both ways of leaving must be counted."""
    manners = Counter(SCENARIO.departures.values())
    assert manners.total() == 250
    assert manners[Departure.CLOSE] > manners[Departure.RESET] > 0


@pytest.mark.parametrize("sockets", [10, 11, 37])
def test_small_casts_have_every_tenant(sockets: int) -> None:
    """`--sockets` may be small."""
    assert min(occupied(Scenario.of(sockets).seats).values()) > 0
