"""One broadcast to a crowd, in the sizes that are shipped.

The rows of the crowd are put in bulk, before time begins: no handshake, no record of the stream. From then on all is
as in any other run: faults strike, and the same invariants are checked at each write. One connection in a hundred is
gone without a `$disconnect`, so that rows are deleted, counted and released while others are posted to.
"""

import sys
import time
from typing import TYPE_CHECKING, Any, override

from loudhailer import codec
from loudhailer.ids import ConnectionId, TenantId
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant
from tests.simulation import faults, functions
from tests.simulation.faults import Dice
from tests.simulation.gateway import SimulatedClient, SimulatedGateway
from tests.simulation.invariants import OBSERVERS
from tests.simulation.profiles import Sizes
from tests.simulation.running import run_quietly
from tests.simulation.scheduler import BEGIN, Scheduler
from tests.simulation.system import SimulatedSystem
from tests.simulation.watch import holds
from tests.support.dynamodb import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from loudhailer.aws.rows import Item

SIZES = Sizes(
    chunk=(500, 500),
    keys=(32, 32),
    recipients_a_source=4_000,
    partitions_a_source=200,
    sources_at_once=100,
    partition=1_000,
    partitions=2_500,
    pages=(1_000,),
    workers=200,
    receives=10,
)

OFTEN = 0.02
"""Faults strike once in fifty times as many calls: a worker that posts to 500 would never come to its end otherwise."""

THROTTLED_OFTEN = OFTEN / 50
"""The quota is used up a few times for a million posts: for seconds each time, and the broadcast lives for minutes."""

_LONGEST_SECONDS = 9_000.0
_TENANT = TenantId("crowd")
_SESSION = "everybody"
_BROADCAST = "to-all"
_GONE_EVERY = 100
_LOOK_EVERY = 1_000
_TELL_SECONDS = 5.0
_ON_THE_WAY = (
    faults.NO_DISCONNECT,
    faults.GOES_EARLY,
    faults.TIME_JUMPS,
    faults.STREAM_STALLS,
    faults.STREAM_REPEATS,
)
"""Faults of arriving and leaving clients, which do not exist here, or that end the broadcast's lifetime."""


class CrowdGateway(SimulatedGateway):
    """A gateway with a crowd that stays, and clients that are gone.

    The quota is used up for seconds at most: a lane that is refused posts less, and the workers here have none.
    """

    throttled_seconds = (0.5, 3.0)

    def __init__(self, system: SimulatedSystem, size: int) -> None:
        super().__init__(system)
        self.size = size
        self.delivered = 0

    def rows(self) -> "Iterator[tuple[str, dict[str, Item]]]":
        """The rows of the connections, by their partitions."""
        shared = {
            "tenantId": {"S": _TENANT},
            "sessionId": {"S": _SESSION},
            "connectedAt": {"N": str(int(BEGIN) - 600)},
            "expiresAt": {"N": str(int(BEGIN) + 6_900)},
        }
        for number, first in enumerate(range(0, self.size, SIZES.partition)):
            partition = f"{_TENANT}#{number:05d}"
            key = {"S": partition}
            names = (f"c{place:08d}=" for place in range(first, min(first + SIZES.partition, self.size)))
            yield partition, {name: {"partition": key, "connectionId": {"S": name}, **shared} for name in names}

    @override
    def status_of_post(self, connection: ConnectionId, frame: bytes) -> int:
        if int(connection[1:-1]) % _GONE_EVERY == 0:
            return 410
        if self._system.scheduler.now < self.throttled_until:
            return 429
        self.delivered += 1
        self._system.watch.received(
            SimulatedClient(0, _TENANT, _SESSION, None, connection, state="open"), frame.decode()
        )
        return 200


def run(size: int) -> int:
    """Send one broadcast to so many connections, and tell how far it is; 1 if an invariant breaks."""
    begun = time.monotonic()
    scheduler = Scheduler("crowd")
    kinds = {kind: OFTEN for kind in faults.RATES if kind not in _ON_THE_WAY}
    dice = Dice(scheduler, kinds | {faults.ACCOUNT_THROTTLED: THROTTLED_OFTEN})
    system = SimulatedSystem(scheduler, dice, SIZES)
    gateway = system.gateway = CrowdGateway(system, size)
    system.watch.observers = [observer(system) for observer in OBSERVERS]
    functions.wire(system)
    _seed(system, gateway)
    _say(f"{time.monotonic() - begun:5.0f} s  {size:,} connections are there")
    broken = run_quietly(system, lambda: _broadcast(system, gateway, begun))
    if broken is not None:
        _say(f"fails: {broken}")
        return 1
    _say(
        f"{time.monotonic() - begun:5.0f} s  {system.calls:,} calls, {len(dice.fired):,} faults: every invariant holds"
    )
    return 0


def _seed(system: SimulatedSystem, gateway: CrowdGateway) -> None:
    tables = system.tables.tables
    of_connections, of_partitions = tables["connections"].rows, tables["partitions"].rows.setdefault(_TENANT, {})
    for partition, rows in gateway.rows():
        of_connections[partition] = rows
        of_partitions[partition] = {
            "tenantId": {"S": _TENANT},
            "partition": {"S": partition},
            "connectionCount": {"N": str(len(rows))},
            "checkpoint": {"S": ""},
        }
        for row in rows.values():
            system.watch.was_there(row)
    total = str(gateway.size)
    tables["limits"].rows[_TENANT] = {"": {"key": {"S": _TENANT}, "itemCount": {"N": total}, "reserved": {"N": total}}}
    client: Any = engine.EngineClient(system.tables.carry_out)
    DynamoTenantStore(client, "tenants").put(
        Tenant(
            tenant_id=_TENANT,
            tenant_connections=gateway.size,
            connections_per_session=gateway.size,
            tenant_per_minute=1_000,
            session_per_minute=1_000,
            messages_per_minute=1_000,
            session_seconds=36_000,
        )
    )


def _broadcast(system: SimulatedSystem, gateway: CrowdGateway, begun: float) -> None:
    scheduler = system.scheduler
    events, shown_at = 0, time.monotonic()

    def is_over() -> bool:
        nonlocal events, shown_at
        events += 1
        if events % _LOOK_EVERY:
            return False
        if time.monotonic() - shown_at > _TELL_SECONDS:
            shown_at = time.monotonic()
            share = min(1.0, gateway.delivered / gateway.size)
            _say(
                f"{shown_at - begun:5.0f} s  [{'=' * round(40 * share):40}] {share:4.0%}  {gateway.delivered:,} posts,"
                f" {scheduler.now - BEGIN:,.0f} simulated seconds"
            )
        return system.is_at_rest()

    body = codec.encode_text({"audience": {"all": True}, "message": "to everybody", "broadcastId": _BROADCAST})
    system.invoke("publish", {"requestContext": {}, "body": body}, lambda _: None)
    scheduler.run(until=is_over, latest=scheduler.now + _LONGEST_SECONDS)
    system.dice.off, system.rests_since = True, scheduler.now
    report = _report(system)
    system.watch.at_rest(healed=False)
    gone = -(-gateway.size // _GONE_EVERY)
    wanted = {"status": "finished", "dispatched": gateway.size, "delivered": gateway.size - gone, "gone": gone}
    holds(
        that=all(report[name] == value for name, value in wanted.items()),
        invariant="9: the report of a crowd is exact",
        text=f"{report} is not {wanted}",
    )
    seconds = (report["finishedAt"] - report["publishedAt"]) / 1000
    _say(
        f"{time.monotonic() - begun:5.0f} s  {report['delivered']:,} delivered, {report['gone']:,} gone,"
        f" finished after {seconds:,.0f} simulated seconds"
    )


def _report(system: SimulatedSystem) -> Any:
    found: list[Any] = []
    event = {"routeKey": "GET /broadcast/{id}", "pathParameters": {"id": _BROADCAST}}
    system.invoke("session_api", event, lambda answer: found.append(codec.decode(answer["body"])))
    system.scheduler.run(until=lambda: bool(found), latest=system.scheduler.now + _LONGEST_SECONDS)
    system.watch.reported(_BROADCAST, found[0], system.scheduler.now)
    return found[0]


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
