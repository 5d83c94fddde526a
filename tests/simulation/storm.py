"""Runs in which a crowd asks for its sessions at once, and is let in at the rate of the account.

A run of this kind has the shipped `session_api` alone. Clients do what its answer says, and are gone once they are let
in. Clocks agree, as Lambda's do: a slot is a time that one environment promises and another one keeps.
"""

from functools import partial
from random import Random
from typing import TYPE_CHECKING, override

from loudhailer import codec
from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from tests.simulation.profiles import STORM
from tests.simulation.scheduler import BEGIN
from tests.simulation.watch import holds
from tests.simulation.workload import Operation, Plan, Workload

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

LET_IN = "14: no client waits for ever"

_RATES = (4.0, 20.0)
_CROWDS = (20, 40)
_NEWCOMERS = 10
_BACKOFF_SECONDS = 1.0

_PATIENCE = 2.0
"""Times the least duration of a storm in which each client is let in, though calls fail and environments are killed."""

_SPARE_SECONDS = 30.0


def storm_plan_of(seed: object) -> Plan:
    """The plan of a seed: a crowd that comes within a second, and newcomers of another tenant."""
    random = Random(f"storm {seed}")  # noqa: S311  # a run is to be repeated
    crowd = random.choice(_CROWDS)
    arrivals = [("acme", random.random()) for _ in range(crowd)]
    arrivals += [("globex", random.uniform(0, 10)) for _ in range(_NEWCOMERS)]
    operations = [
        Operation(round(at, 3), "arrive", {"tenant": tenant, "session": f"s{number}"}, number)
        for number, (tenant, at) in enumerate(arrivals)
    ]
    tenants = [
        Tenant(
            tenant_id=TenantId(name),
            tenant_connections=10 * crowd,
            connections_per_session=1,
            tenant_per_minute=10 * crowd,
            session_per_minute=5,
            messages_per_minute=5,
            session_seconds=3_600,
        )
        for name in ("acme", "globex")
    ]
    return Plan(tenants, operations, heals=False, profile=STORM, connects_per_second=random.choice(_RATES))


class StormWorkload(Workload):
    """Carries out a plan of arrivals, until each client is let in."""

    def __init__(self, system: "SimulatedSystem", plan: Plan) -> None:
        super().__init__(system, plan)
        self._waiting = len(plan.operations)
        self._rate = plan.connects_per_second

    @override
    def run(self, calls: int) -> None:
        """Have all clients come, and wait until the last one is let in."""
        del calls
        scheduler, arrivals = self._system.scheduler, self._plan.operations
        for arrival in arrivals:
            begin = partial(self._begin, **arrival.arguments)
            scheduler.at(BEGIN + arrival.at, partial(scheduler.on_behalf_of, f"arrive {arrival.number}", begin))
        latest = BEGIN + _PATIENCE * len(arrivals) / self._rate + _SPARE_SECONDS
        scheduler.run(until=lambda: not self._waiting, latest=latest)
        holds(that=not self._waiting, invariant=LET_IN, text=f"{self._waiting} of {len(arrivals)} clients still wait")

    def _begin(self, tenant: str, session: str) -> None:
        self._system.scheduler.start(lambda: self._arrive(tenant, session))

    def _arrive(self, tenant: str, session: str) -> None:
        """Ask for the session until the client is let in."""
        system = self._system
        event = {"routeKey": "PUT /session", "queryStringParameters": {"tenantId": tenant, "sessionId": session}}
        while True:
            answer = system.answer_of("session_api", event)
            if answer is not None and answer["statusCode"] == 200:
                self._waiting -= 1
                return
            is_delayed = answer is not None and answer["statusCode"] == 429
            body = codec.decode(answer["body"]) if is_delayed else {}
            system.scheduler.sleep(body["retryAfterMs"] / 1_000 if "retryAfterMs" in body else _BACKOFF_SECONDS)
