"""The operator of a run: the commands of the command line, in a task beside the functions."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, override

from loudhailer.cells.placements.dynamodb import DynamoPlacementStore
from loudhailer.channels.dynamodb import DynamoMemberStore, DynamoSubscriptionStore
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.delivery.outcome import Outcome
from loudhailer.history.dynamodb import DynamoHistoryStore, DynamoPublicationStore
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.dynamodb import DynamoTenantStore
from tests.simulation.deployment import SimulatedDeployment
from tests.simulation.gateway import ENDPOINT, SimulatedSender
from tests.simulation.scheduler import Task
from tools.errors import OperatorError
from tools.operations.cancelling import mark
from tools.operations.cells import cells_without_tenants
from tools.operations.draining import Draining, order_drain, overlap_of, require_order, stop_drain
from tools.operations.erasing import Erasing, Stores
from tools.operations.redriving import Redrive

if TYPE_CHECKING:
    from loudhailer.broadcast.messages import BroadcastMessage
    from loudhailer.connections.model import ConnectionKey
    from loudhailer.ids import BroadcastId, CellName, TenantId
    from tests.simulation.system import SimulatedSystem

QUIET_SECONDS = 10.0
"""The longest timeout of the functions that make sessions, connections and messages."""

QUIET_SECONDS_OF_CELLS = 20.0
"""The same where there are further cells, between which `forward_message` brings messages."""

_CELLS_SECONDS = 30.0
"""Time in which the further cells are to know that a tenant is being erased."""

_DRAIN_RATE = 5
_TRIES = 3
_PAUSE_SECONDS = 100.0


class Operator:
    """Carries out commands; faults do not strike them, but a command may be interrupted."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system
        self._redrives: list[Task] = []

    def erase(self, tenant: "TenantId") -> None:
        """Erase a tenant, some seconds after the first try once more if that was interrupted."""
        self._begin(lambda: self._erase(tenant), interrupted=0.5, within=30.0)
        self._system.scheduler.after(60.0, lambda: self._erase_again(tenant))

    def _erase_again(self, tenant: "TenantId") -> None:
        self._begin(lambda: self._erase(tenant))

    def cancel(self, broadcast: "BroadcastId") -> None:
        """Mark a broadcast as cancelled on all of its cells, as `loudhailer cancel` does first."""
        self._begin(lambda: self._cancel(broadcast), interrupted=0.2, within=0.1)

    def redrive(self) -> None:
        """Send the messages of the dead-letter queues again, as `loudhailer redrive` does."""
        self._redrives.append(self._begin(self._redrive, interrupted=0.2, within=3.0))

    def redrive_again(self) -> None:
        """Run a redrive once more if one was interrupted: it may have opened a broadcast, and sent nothing yet."""
        if any(redrive.killed for redrive in self._redrives):
            self._redrives = [self._begin(self._redrive)]

    def drain(self, cell: "CellName") -> None:
        """Ask the clients of a cell to move, as `loudhailer drain` does."""
        self._begin(lambda: self._drain(cell), interrupted=0.3, within=100.0)

    def stop_drain(self, cell: "CellName") -> None:
        """Let a cell have new sessions again."""
        self._begin(lambda: stop_drain(self._deployment, cell))

    def _begin(self, command: Callable[[], None], *, interrupted: float = 0.0, within: float = 0.0) -> Task:
        """Start a command; by this chance it is interrupted within so many seconds."""
        scheduler = self._system.scheduler
        task = scheduler.start(command)
        self._system.commands.append(task)
        if scheduler.random.random() < interrupted:
            scheduler.after(scheduler.random.random() * within, task.kill)
        return task

    @property
    def _deployment(self) -> Any:
        return SimulatedDeployment(self._system)

    def _drain(self, name: "CellName") -> None:
        system, deployment = self._system, self._deployment
        draining = Draining(
            deployment.all_cells[name],
            [tenant.tenant_id for tenant in deployment.tenants.all_tenants()],
            rate=_DRAIN_RATE,
            overlap_seconds=overlap_of(deployment, name),
            require_order=lambda: require_order(deployment, name),
            clock=system.scheduler.time,
            pause=system.scheduler.sleep,
        )
        try:
            order_drain(deployment, name, pause=system.scheduler.sleep)
            system.say(f"{draining()} clients of {name} have stayed")
        except OperatorError as error:
            system.say(f"{name} is not drained: {error}")

    def _cancel(self, broadcast: "BroadcastId") -> None:
        deployment = self._deployment
        summary = deployment.broadcasts.summary(broadcast)
        if summary is None or not deployment.broadcasts.cancel(broadcast):
            return
        for name in summary.cells or ():
            mark(deployment.cells[name], summary)

    def _redrive(self) -> None:
        redrive = _WatchedRedrive(self._system)
        redrive()
        redrive.frames()

    def _erase(self, tenant: "TenantId") -> None:
        system = self._system
        hub, *further = system.cells.values()
        erasing = Erasing(
            self._stores(hub),
            tenant,
            lambda _, what: system.say(f"erasing {tenant}: {what}"),
            further=[self._stores(cell) for cell in further],
            spread=self._cells_without_tenants,
            quiet_seconds=QUIET_SECONDS_OF_CELLS if further else QUIET_SECONDS,
            clock=system.scheduler.time,
            pause=system.scheduler.sleep,
        )
        for _ in range(_TRIES):
            try:
                erasing()
            except OperatorError as error:
                system.say(f"erasing {tenant}: {error}")
                system.scheduler.sleep(_PAUSE_SECONDS)
            else:
                for cell in system.cells.values():
                    cell.watch.erased(tenant)
                return

    def _cells_without_tenants(self) -> "Sequence[CellName]":
        scheduler = self._system.scheduler
        return cells_without_tenants(self._deployment, _CELLS_SECONDS, clock=scheduler.time, pause=scheduler.sleep)

    def _stores(self, system: "SimulatedSystem") -> Stores:
        sender = SimulatedSender(system)

        def close(key: "ConnectionKey") -> None:
            (outcome,) = sender.close(ENDPOINT, [key.connection_id], seconds=10.0)
            if outcome not in {Outcome.DELIVERED, Outcome.GONE}:
                raise OperatorError(f"{key.connection_id} cannot be closed: {outcome}")

        client = SimulatedDeployment(system).dynamodb
        return Stores(
            tenants=DynamoTenantStore(
                client, "tenants", None if system.is_further or not system.has_cells else "cells"
            ),
            sessions=DynamoSessionStore(client, "sessions"),
            connections=DynamoConnectionStore(client, "connections"),
            devices=DynamoDeviceStore(client, "devices"),
            partitions=DynamoPartitionStore(client, "partitions"),
            places=DynamoPlaceStore(client, "places"),
            inboxes=DynamoInboxStore(client, "messages"),
            limits=DynamoLimitStore(client, "limits", pause=system.scheduler.sleep),
            subscriptions=DynamoSubscriptionStore(client, "subscriptions"),
            members=DynamoMemberStore(client, "members"),
            history=None if system.is_further else DynamoHistoryStore(client, "history"),
            publications=None if system.is_further else DynamoPublicationStore(client, "publications"),
            close=close,
            placements=DynamoPlacementStore(client, "placements")
            if system.has_cells and not system.is_further
            else None,
        )


class _WatchedRedrive(Redrive):
    """The shipped redrive of a system; the invariants learn what it sends again."""

    def __init__(self, system: "SimulatedSystem") -> None:
        deployment: Any = SimulatedDeployment(system)
        super().__init__(deployment, None, clock=system.scheduler.time)
        self._system = system

    @override
    def _send(self, message: "BroadcastMessage", letter: str) -> None:
        self._system.watch.redriven(message.broadcast_id)
        super()._send(message, letter)
