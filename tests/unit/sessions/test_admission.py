"""Clients are let in at the rate of their cell's account, and each client of a crowd gets a time to come."""

import heapq
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from math import ceil
from random import SystemRandom

import pytest

from functions.sessions.session_api.admission import Admission, LimitReached
from loudhailer.errors import BusyError, TransientError
from loudhailer.ids import HUB, CellName, SessionId, TenantId
from loudhailer.limits.line.model import Kind, Turn
from loudhailer.limits.model import minute_of
from loudhailer.tenants.model import Tenant
from tests.support.broadcasts import NORTH
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.line import MemoryLineStore
from tools.emulator.gateway.limits import TokenBucket

NOW = 1_800_000_000.0
RATE, CROWD = 50, 3_000
ACME = Tenant(
    TenantId("acme"),
    tenant_connections=10_000,
    connections_per_session=2,
    tenant_per_minute=10_000,
    session_per_minute=5,
    messages_per_minute=60,
    session_seconds=3_600,
)
GLOBEX = replace(ACME, tenant_id=TenantId("globex"))

type Obey = Callable[[float], float]
"""The seconds that a client waits, for those of the answer."""


def in_milliseconds(seconds: float) -> float:
    """Return the wait by the milliseconds of the body."""
    return ceil(seconds * 1_000) / 1_000


def whole_seconds(seconds: float) -> float:
    """Wait for the seconds of `Retry-After`."""
    return ceil(seconds)


def later_by(more: float) -> Obey:
    """Wait for so many seconds more."""
    return lambda seconds: seconds + more


@dataclass
class Storm:
    """Clients that ask and connect in virtual time, before environments that share the store, and API Gateway's bucket.

    Attributes:
        asked: the requests of each client.
        entered: when each client was connected.
        refused: the handshakes that were refused.
        over_limit: the requests that were refused for the tenant's limit; their clients ask again after 10 to 30 s.
    """

    rate: float = RATE
    environments: int = 4
    now: float = NOW
    store: MemoryLineStore = field(default_factory=MemoryLineStore)
    asked: Counter[str] = field(default_factory=Counter)
    entered: dict[str, float] = field(default_factory=dict)
    refused: int = 0
    over_limit: int = 0

    def __post_init__(self) -> None:
        self._turn = count()
        self._events: list[tuple[float, int, Tenant, str, Obey]] = []
        self._bucket = TokenBucket(self.rate, self.rate, lambda: self.now)
        limits = MemoryLimitStore()
        self._environments = [
            Admission(
                self.store, limits, per_second=self.rate, reserve=0.03, clock=lambda: self.now, random=SystemRandom()
            )
            for _ in range(self.environments)
        ]

    def come(self, at: float, tenant: Tenant, name: str, obey: Obey = in_milliseconds) -> None:
        """A client asks at that time, and then after the time of each answer."""
        heapq.heappush(self._events, (NOW + at, next(self._turn), tenant, name, obey))

    def run(self) -> None:
        """Continue until every client is connected."""
        while self._events:
            at, turn, tenant, name, obey = heapq.heappop(self._events)
            self.now = max(self.now, at)
            self.asked[name] += 1
            wait = self._environments[turn % self.environments].admit(HUB, tenant, SessionId(name))
            if wait is LimitReached.TENANT_MINUTE:
                self.over_limit += 1
                self.come(self.now - NOW + 10 + turn % 1_000 / 50, tenant, name, obey)
            elif wait is not None:
                self.come(self.now - NOW + obey(wait.seconds), tenant, name, obey)
            elif self._bucket.take():
                self.entered[name] = self.now - NOW
            else:
                self.refused += 1
                self.come(self.now - NOW + 1, tenant, name, obey)

    def crowd(self, tenant: Tenant = ACME, number: int = CROWD, obey: Obey = in_milliseconds) -> list[str]:
        """Clients that all come within a second, as their first backoff has them; their names."""
        names = [f"{tenant.tenant_id}-{client}" for client in range(number)]
        for place, name in enumerate(names):
            self.come(place / number, tenant, name, obey)
        return names


@pytest.mark.parametrize(("obey", "used"), [(in_milliseconds, 0.95), (whole_seconds, 0.93)])
def test_a_crowd_comes_back_at_the_rate_of_the_account(obey: Obey, used: float) -> None:
    """At least 95% of the rate is used, no handshake is refused, and all are in within 1.1 of the shortest time.

    A client that waits for whole seconds comes half a second late on average, the last ones among them.
    """
    storm = Storm()
    storm.crowd(obey=obey)
    storm.run()
    entered = sorted(storm.entered.values())
    assert storm.refused == 0
    assert len(entered) == CROWD
    assert CROWD / (entered[-1] - entered[0]) >= used * RATE
    assert entered[-1] <= 1.1 * CROWD / RATE
    assert storm.asked.total() <= 3 * CROWD


def test_clients_that_come_late_exceed_nothing() -> None:
    """A fifth of them sleep for up to five seconds: their slots are lost, and no handshake is refused."""
    storm = Storm()
    late = {f"acme-{client}": client % 50 / 10 for client in range(0, CROWD, 5)}
    for place in range(CROWD):
        name = f"acme-{place}"
        storm.come(place / CROWD, ACME, name, later_by(late.get(name, 0.0)))
    storm.run()
    assert storm.refused == 0
    assert len(storm.entered) == CROWD


def test_a_client_of_another_tenant_does_not_wait_for_the_crowds(counted: Counter[str]) -> None:
    """Its first clients of a minute go past the line of two tenants, and wait for a slot at most."""
    storm = Storm()
    for tenant in (ACME, GLOBEX):
        storm.crowd(tenant, CROWD // 2)
    third = replace(ACME, tenant_id=TenantId("initech"))
    comes = {f"initech-{number}": 20.0 + number for number in range(8)}
    for name, at in comes.items():
        storm.come(at, third, name)
    storm.run()
    assert storm.refused == 0
    assert max(storm.entered[name] - at for name, at in comes.items()) < 2
    assert max(storm.entered.values()) <= 1.1 * CROWD / RATE
    assert counted["ClientDelayed"] >= 0.9 * CROWD


def test_clients_that_ignore_their_turn_gain_nothing() -> None:
    """They ask each second, and get as many appointments as a session may have connections."""
    storm = Storm()
    obedient = storm.crowd(number=600)
    for number in range(30):
        storm.come(number / 30, GLOBEX, f"globex-{number}", lambda _: 1.0)
    storm.run()
    assert storm.refused == 0
    assert max(storm.entered[name] for name in obedient) <= 1.2 * 630 / RATE


def test_a_newcomer_does_not_wait_for_the_crowds_of_fifty_tenants() -> None:
    """The crowds' own first clients do not make the slots go far ahead."""
    storm = Storm(rate=500, environments=20)
    for number in range(50):
        storm.crowd(replace(ACME, tenant_id=TenantId(f"t{number}")), 200)
    small = replace(ACME, tenant_id=TenantId("small"))
    comes = {f"small-{number}": 3.0 + number for number in range(15)}
    for name, at in comes.items():
        storm.come(at, small, name)
    storm.run()
    assert storm.refused == 0
    assert max(storm.entered[name] - at for name, at in comes.items()) < 2
    assert max(storm.entered.values()) <= 1.1 * 10_000 / 500


def test_many_tenants_that_come_late_lose_little() -> None:
    """A slot is kept for a second and a half: clients that were given a far one would lose it."""
    storm = Storm(rate=500, environments=20)
    for number in range(100):
        obey = later_by(number % 10)
        storm.crowd(replace(ACME, tenant_id=TenantId(f"t{number}")), 50, obey)
    storm.run()
    assert storm.refused == 0
    assert max(storm.entered.values()) <= 1.1 * 5_000 / 500 + 9
    assert storm.asked.total() <= 2.5 * 5_000


def test_idle_slots_are_given_to_other_clients() -> None:
    """10,000 clients of a tenant only ask, and the first one that comes after them is in at once."""
    storm = Storm(rate=500, environments=20)
    for number in range(10_000):
        storm.come(number / 1_000, ACME, f"acme-{number}", later_by(100_000))
    asks = [f"globex-{number}" for number in range(200)]
    for number, name in enumerate(asks):
        storm.come(12 + number / 100, GLOBEX, name)
    storm.run()
    assert max(storm.entered[name] - 12 - number / 100 for number, name in enumerate(asks)) < 2


def test_a_tenant_gets_no_more_turns_in_a_minute_than_attempts_to_connect() -> None:
    """Its clients beyond that would be refused when they connect, and make others wait until then."""
    storm = Storm(rate=50, environments=4)
    crowd = storm.crowd(replace(ACME, tenant_per_minute=600), 2_000)
    others = storm.crowd(GLOBEX, 600)
    storm.run()
    first_minute = sum(storm.entered[name] < 60 for name in crowd)
    assert 600 <= first_minute <= 800
    assert max(storm.entered[name] for name in others) <= 1.1 * 1_300 / 50
    assert storm.over_limit
    assert storm.refused == 0


@pytest.mark.parametrize("environments", [1, 40, 900])
def test_environments_share_the_rate(environments: int) -> None:
    """At 500 a second, however many there are; most of many are cold, and see few clients."""
    storm = Storm(rate=500, environments=environments)
    storm.crowd(number=5_000)
    storm.run()
    assert storm.refused == 0
    assert max(storm.entered.values()) <= 1.1 * 5_000 / 500


class Desk:
    """An environment of `session_api`, and its clock."""

    def __init__(self, per_second: float = 10, store: MemoryLineStore | None = None) -> None:
        self.now = NOW
        self.store = store or MemoryLineStore()
        self._limits = MemoryLimitStore()
        self.admission = Admission(
            self.store, self._limits, per_second=per_second, reserve=0.1, clock=lambda: self.now, random=SystemRandom()
        )

    def ask(self, session: str = "s1", tenant: Tenant = ACME) -> float | None:
        """Ask for a client; the seconds that it is to wait, or None."""
        wait = self.admission.admit(HUB, tenant, SessionId(session))
        assert wait is not LimitReached.TENANT_MINUTE
        return None if wait is None else wait.seconds

    def fill(self) -> None:
        """Let a crowd of a tenant take the slots of the next moment, and its share past the line."""
        while self.ask(f"s{self.now}", GLOBEX) is None or len(self.store.kept) < 30:
            self.now += 1e-6


def test_no_client_waits_in_quiet_times() -> None:
    """Each client is one write of the line, and nothing is kept of it."""
    desk = Desk()
    for _ in range(20):
        assert desk.ask() is None
        desk.now += 0.11
    assert not desk.store.kept


def test_a_client_that_asks_too_early_keeps_its_turn() -> None:
    """As many times as its session may have connections it gets one of its own, for its other clients."""
    desk = Desk()
    desk.fill()
    first, second, third = (desk.ask() for _ in range(3))
    assert first is not None
    assert second is not None
    assert second > first
    assert third == first
    desk.now += first
    assert desk.ask() is None


def test_a_later_turn_does_not_shorten_the_life_of_an_earlier_one() -> None:
    """The turns of a session expire together: a slot that is near keeps an appointment that is far away."""
    desk = Desk()
    desk.store.extend(HUB, Kind.SLOT, 0.8, NOW)
    desk.store.extend(HUB, Kind.APPOINTMENT, 900, NOW)
    desk.admission._minute = minute_of(int(NOW))
    desk.admission._line(HUB).in_line.add(ACME.tenant_id)
    assert desk.ask() == pytest.approx(900)
    due = Turn(Kind.APPOINTMENT, NOW)
    desk.store.keep(
        ACME.tenant_id, SessionId("s1"), due, expires_at=desk.store.expire_at[ACME.tenant_id, SessionId("s1")]
    )
    assert desk.ask() == pytest.approx(0.8)
    assert desk.store.expire_at[ACME.tenant_id, SessionId("s1")] > NOW + 900 + 300


def test_a_cell_lets_in_clients_at_a_rate_of_its_own() -> None:
    """Accounts have different quotas; a rate of 0 lets in everyone, and other cells have the rate of the hub."""
    north, south, far = CellName("north"), CellName("south"), CellName("far")
    admission = Admission(
        MemoryLineStore(),
        MemoryLimitStore(),
        per_second=100,
        per_second_on={north: 10, south: 0},
        reserve=0.1,
        clock=lambda: NOW,
        random=SystemRandom(),
    )
    let_in = {
        cell: [admission.admit(cell, ACME, SessionId(f"{cell}{number}")) for number in range(60)].count(None)
        for cell in (HUB, far, north, south)
    }
    assert let_in[HUB] == let_in[far]
    assert let_in[south] == 60
    assert 1 <= let_in[north] < let_in[HUB] < 60


def test_a_client_may_come_a_little_before_its_turn_or_a_second_after_it() -> None:
    """Clocks and networks differ; a slot that is long over leads to the next one."""
    desk = Desk(per_second=1)
    for kind in Kind:
        desk.store.extend(HUB, kind, 100, NOW)
    for session, at in (("s1", NOW + 0.3), ("s2", NOW - 1.5), ("s3", NOW - 1.6)):
        desk.store.keep(ACME.tenant_id, SessionId(session), Turn(Kind.SLOT, at), expires_at=0)
    assert [desk.ask(name) for name in ("s1", "s2")] == [None, None]
    assert desk.ask("s3") == pytest.approx(100)


def test_a_turn_lets_one_client_in() -> None:
    """The second of its session waits for a turn of its own."""
    desk = Desk()
    desk.store.extend(HUB, Kind.APPOINTMENT, 100, NOW)
    desk.store.extend(HUB, Kind.SLOT, 0.2, NOW)
    desk.store.keep(ACME.tenant_id, SessionId("s1"), Turn(Kind.APPOINTMENT, NOW - 250), expires_at=0)
    desk.admission._minute = minute_of(int(NOW))
    desk.admission._line(HUB).in_line.add(ACME.tenant_id)
    assert desk.ask() is None
    assert desk.ask() == pytest.approx(100)


def test_two_clients_of_a_session_do_not_use_one_turn() -> None:
    """The other one was faster: this one waits on."""

    class Raced(MemoryLineStore):
        def use(self, *_: object) -> bool:
            return False

    desk = Desk(store=Raced())
    desk.fill()
    desk.store.keep(ACME.tenant_id, SessionId("s1"), Turn(Kind.SLOT, NOW), expires_at=0)
    assert desk.ask() is not None


def test_appointments_that_are_over_are_given_to_no_client() -> None:
    """An environment takes several at once, and may be frozen before it gave all of them."""
    desk = Desk(per_second=200)
    for seconds in (1, 50):
        for kind in Kind:
            desk.store.extend(HUB, kind, seconds, desk.now)
        desk.admission._minute = minute_of(int(desk.now))
        desk.admission._line(HUB).in_line.add(ACME.tenant_id)
        assert desk.ask(f"s{seconds}") == pytest.approx(seconds)
        desk.now += 100


def test_each_cell_has_a_line_of_its_own() -> None:
    """It is the line of an account."""
    desk = Desk()
    desk.fill()
    assert desk.admission.admit(NORTH, ACME, SessionId("s1")) is None
    assert desk.ask() is not None


def test_a_rate_of_zero_lets_everyone_in() -> None:
    """And writes nothing."""
    desk = Desk(per_second=0)
    assert [desk.ask(f"s{number}") for number in range(100)] == [None] * 100
    assert not desk.store.lines


def test_a_line_that_takes_no_more_has_clients_ask_again(counted: Counter[str]) -> None:
    """It is busy in a storm, when no client may enter without a slot."""

    class Busy(MemoryLineStore):
        def extend(self, *_: object) -> Iterator[None]:  # type: ignore[override]
            raise BusyError("UpdateItem was throttled")

    wait = Desk(store=Busy()).ask()
    assert wait is not None
    assert 1 <= wait <= 3
    assert counted["ClientDelayed"] == 1
    assert not counted["AdmissionUnknown"]


def test_a_line_that_does_not_answer_keeps_no_client_out(counted: Counter[str]) -> None:
    """API Gateway decides then."""

    class Down(MemoryLineStore):
        def ends(self, _: object) -> Iterator[None]:  # type: ignore[override]
            raise TransientError("the table is down")

    assert Desk(store=Down()).ask() is None
    assert counted["AdmissionUnknown"] == 1
