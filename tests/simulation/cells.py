"""Runs of two cells, the hub's and a further one, each an account of its own.

Clients ask for their session before they connect, connect to the cell that they are answered, and move if they are
asked to. An operator drains cells. The cells may be cut off from each other, and the further one may be lost.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, override

from loudhailer import codec
from loudhailer.ids import HUB, CellName, ConnectionId
from tests.simulation import faults
from tests.simulation.gateway import MOVED, SimulatedClient
from tests.simulation.profiles import CELLS
from tests.simulation.system import ACCOUNTS
from tests.simulation.workload import REST_SECONDS, Arguments, Operation, Plan, Planner, Workload

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

_BEFORE_THE_FIRST_SECONDS = 5.0
"""Time in which the further cell copies the tenants, before the first session is asked for."""

_FURTHER = CellName("north")
_SILENCES = (20.0, 120.0, 600.0)
_TRIES = 3
_BACKOFF_SECONDS = 2.0
_POLL_SECONDS = 0.2


def cells_plan_of(seed: object, calls: int) -> Plan:
    """The plan of a seed, of about so many calls."""
    return _CellsPlanner(Random(f"plan {seed}"), calls, CELLS).plan()  # noqa: S311  # a run is to be repeated


class _CellsPlanner(Planner):
    @override
    def plan(self) -> Plan:
        """The plan of a cell, some seconds later; whenever a minute begins, the further cell's schedule strikes."""
        plan = super().plan()
        operations = [replace(one, at=one.at + _BEFORE_THE_FIRST_SECONDS) for one in plan.operations]
        minutes = [0.0, *(one.at for one in operations if one.kind == "reconcile")]
        operations += [Operation(at, "beat", {}) for at in minutes]
        operations.sort(key=lambda one: one.at)
        numbered = [replace(operation, number=number) for number, operation in enumerate(operations)]
        tenants = [replace(tenant, tenant_per_minute=100, session_per_minute=50) for tenant in plan.tenants]
        return replace(plan, tenants=tenants, operations=numbered, names=tuple(ACCOUNTS))

    @override
    def _weights(self) -> dict[str, float]:
        return super()._weights() | {"drain": 0.6, "stop_drain": 0.3, "renew": 1.0, "forward_again": 0.2}

    @override
    def _arguments(self, kind: str) -> Arguments:
        match kind:
            case "drain" | "stop_drain":
                return {"cell": self._random.choice((HUB, _FURTHER))}
            case "renew":
                return {"client": self._random.choice(self._clients or [0])}
            case "forward_again":
                return {}
            case _:
                return super()._arguments(kind)


@dataclass
class _Device:
    """A client with its connections, in the order of their handshakes; while it moves it ignores the frame `move`."""

    number: int
    tenant: str
    session: str
    player: str | None
    knows_move: bool
    connections: list[tuple["SimulatedSystem", SimulatedClient]] = field(default_factory=list)
    is_moving: bool = False

    def open(self) -> "tuple[SimulatedSystem, SimulatedClient] | None":
        """The last connection that is open."""
        return next(((cell, one) for cell, one in reversed(self.connections) if one.state == "open"), None)


class CellsWorkload(Workload):
    """Carries out a plan over the cells."""

    def __init__(self, system: "SimulatedSystem", plan: Plan) -> None:
        super().__init__(system, plan)
        self._devices: dict[int, _Device] = {}
        self._have_returned = False
        self._urls: Mapping[str, SimulatedSystem] = {cell.websocket_url: cell for cell in self._cells}

    @override
    def _carry_out(self, operation: Operation) -> None:
        system = self._system
        (further,) = (cell for cell in self._cells if cell.is_further)
        if system.dice.strikes(faults.CELL_SILENT):
            further.fall_silent(system.scheduler.random.choice(_SILENCES))
        if system.dice.strikes(faults.CELL_LOST):
            further.lose(system.scheduler.random.choice(_SILENCES))
        super()._carry_out(operation)

    @override
    def _bring_to_rest(self) -> None:
        """Let the cells reach each other again, send again what was given up meanwhile, and have all clients return."""
        scheduler = self._system.scheduler
        scheduler.run(until=lambda: False, latest=max(cell.silent_until for cell in self._cells))
        self._go_on()
        self._forward_again()
        self._go_on()
        if not self._have_returned:
            self._have_returned = True
            for device in list(self._devices.values()):
                scheduler.on_behalf_of(f"return {device.number}", partial(self._return, device))
            self._go_on()

    def _return(self, device: "_Device") -> None:
        """Connect a client that has no connection any more."""
        if device.open() is None:
            self._begin(lambda: self._arrive(device))

    def _go_on(self) -> None:
        """Let everything come to its end, while the further cell's lease is renewed."""
        scheduler = self._system.scheduler
        ends = scheduler.now + REST_SECONDS
        while not self._is_at_rest() and scheduler.now < ends:
            self._beat()
            scheduler.run(until=self._is_at_rest, latest=scheduler.now + 60.0)

    @override
    def _connect(self, client: int, tenant: str, session: str, player: str | None) -> None:
        knows_move = self._system.scheduler.random.random() < 0.8
        device = self._devices[client] = _Device(client, tenant, session, player, knows_move)
        self._begin(lambda: self._arrive(device))

    @override
    def _leave(self, client: int) -> None:
        for cell, connection in self._devices[client].connections if client in self._devices else ():
            cell.gateway.close(connection, "leaves")

    @override
    def _frame(self, client: int, frame: Arguments) -> None:
        if client in self._devices and (found := self._devices[client].open()) is not None:
            cell, connection = found
            cell.gateway.frame(connection, frame)

    def _renew(self, client: int) -> None:
        """Renew the session of a client that is connected."""
        if client in self._devices and (device := self._devices[client]).open() is not None:
            self._ask("session_api", "PUT /session", {**_query(device), "renew": "true"})

    def _beat(self) -> None:
        for cell in self._cells:
            if cell.is_further:
                cell.invoke("beat", {}, lambda _: None)

    def _drain(self, cell: CellName) -> None:
        self._operator.drain(cell)

    def _stop_drain(self, cell: CellName) -> None:
        self._operator.stop_drain(cell)

    def _forward_again(self) -> None:
        """Send the requests that were given up again, as a redrive task of SQS does."""
        letters = self._system.queues["forward-failure"]
        for letter in list(letters.messages.values()):
            self._system.queues[letter.source].put(letter.body, group=letter.group)
            letters.delete(letter.number)

    def _begin(self, work: Callable[[], object]) -> None:
        """Start something that a client does; nothing is at rest before it is done."""
        self._system.commands.append(self._system.scheduler.start(work))

    def _arrive(self, device: _Device) -> SimulatedClient | None:
        """Ask for the session, and connect to the cell that is answered; None if nothing comes of it."""
        system = self._system
        for _ in range(_TRIES):
            answer = system.answer_of(
                "session_api", {"routeKey": "PUT /session", "queryStringParameters": _query(device)}
            )
            if answer is not None and answer["statusCode"] in {400, 409}:
                return None
            if answer is not None and answer["statusCode"] == 200:
                cell = self._urls[codec.decode(answer["body"])["webSocketUrl"]]
                connection = self._handshake(device, cell)
                while connection.state == "connecting":
                    system.scheduler.sleep(_POLL_SECONDS)
                if connection.state == "open":
                    return connection
            system.scheduler.sleep(_BACKOFF_SECONDS * (1 + system.scheduler.random.random()))
        return None

    def _handshake(self, device: _Device, cell: "SimulatedSystem") -> SimulatedClient:
        connection = SimulatedClient(
            device.number,
            device.tenant,
            device.session,
            device.player,
            ConnectionId(f"c{self._system.scheduler.random.getrandbits(16):05d}{device.number}="),
            reads=partial(self._read, device),
        )
        device.connections.append((cell, connection))
        cell.gateway.connect(connection)
        return connection

    def _read(self, device: _Device, frame: str) -> None:
        """Move, if the service asks for it."""
        found = codec.decode(frame)
        if found.get("type") == "move" and device.knows_move and not device.is_moving:
            device.is_moving = True
            self._begin(lambda: self._move(device, found["overlapSeconds"]))

    def _move(self, device: _Device, overlap_seconds: float) -> None:
        """Open the next connection, and close the former ones when the overlap is over."""
        former = list(device.connections)
        if self._arrive(device) is not None:
            self._system.scheduler.sleep(overlap_seconds)
            for cell, connection in former:
                cell.gateway.close(connection, MOVED)
        device.is_moving = False


def _query(device: _Device) -> dict[str, Any]:
    query = {"tenantId": device.tenant, "sessionId": device.session}
    return query if device.player is None else {**query, "playerId": device.player}
