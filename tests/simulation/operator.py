"""The operator of a run: what the command line does, in a task beside the functions."""

from typing import TYPE_CHECKING, Any

from loudhailer.channels.dynamodb import DynamoMemberStore, DynamoSubscriptionStore
from loudhailer.connections.devices.dynamodb import DynamoDeviceStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.delivery.outcome import Outcome
from loudhailer.inbox.dynamodb import DynamoInboxStore
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.limits.places.dynamodb import DynamoPlaceStore
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.sessions.dynamodb import DynamoSessionStore
from loudhailer.tenants.dynamodb import DynamoTenantStore
from tests.simulation.gateway import ENDPOINT, SimulatedSender
from tests.support.dynamodb.engine import EngineClient, EngineRequest
from tools.errors import OperatorError
from tools.operations.erasing import Erasing, Stores

if TYPE_CHECKING:
    from loudhailer.connections.model import ConnectionKey
    from loudhailer.ids import TenantId
    from tests.simulation.system import SimulatedSystem

QUIET_SECONDS = 10.0
"""The longest timeout of the functions that make sessions, connections and messages."""

_TRIES = 3
_PAUSE_SECONDS = 100.0


class Operator:
    """Carries out commands; faults do not strike them, but a command may be interrupted."""

    def __init__(self, system: "SimulatedSystem") -> None:
        self._system = system

    def erase(self, tenant: "TenantId") -> None:
        """Erase a tenant, some seconds after the first try once more if that was interrupted."""
        scheduler = self._system.scheduler
        first = scheduler.start(lambda: self._erase(tenant))
        if scheduler.random.random() < 0.5:
            scheduler.after(scheduler.random.random() * 30.0, first.kill)
        scheduler.after(60.0, lambda: self._again(tenant))

    def _again(self, tenant: "TenantId") -> None:
        self._system.scheduler.start(lambda: self._erase(tenant))

    def _erase(self, tenant: "TenantId") -> None:
        system = self._system
        erasing = Erasing(
            self._stores(),
            tenant,
            lambda _, what: system.say(f"erasing {tenant}: {what}"),
            quiet_seconds=QUIET_SECONDS,
            clock=system.scheduler.time,
            pause=system.scheduler.sleep,
        )
        system.commands += 1
        try:
            for _ in range(_TRIES):
                try:
                    erasing()
                except OperatorError as error:
                    system.say(f"erasing {tenant}: {error}")
                    system.scheduler.sleep(_PAUSE_SECONDS)
                else:
                    system.watch.erased(tenant)
                    return
        finally:
            system.commands -= 1

    def _stores(self) -> Stores:
        system = self._system

        def carry_out(operation: str, request: EngineRequest) -> Any:
            system.scheduler.sleep(system.latency())
            return system.tables.carry_out(operation, request)

        sender = SimulatedSender(system)

        def close(key: "ConnectionKey") -> None:
            (outcome,) = sender.close(ENDPOINT, [key.connection_id], seconds=10.0)
            if outcome not in {Outcome.DELIVERED, Outcome.GONE}:
                raise OperatorError(f"{key.connection_id} cannot be closed: {outcome}")

        client: Any = EngineClient(carry_out)
        return Stores(
            tenants=DynamoTenantStore(client, "tenants"),
            sessions=DynamoSessionStore(client, "sessions"),
            connections=DynamoConnectionStore(client, "connections"),
            devices=DynamoDeviceStore(client, "devices"),
            partitions=DynamoPartitionStore(client, "partitions"),
            places=DynamoPlaceStore(client, "places"),
            inboxes=DynamoInboxStore(client, "messages"),
            limits=DynamoLimitStore(client, "limits", pause=system.scheduler.sleep),
            subscriptions=DynamoSubscriptionStore(client, "subscriptions"),
            members=DynamoMemberStore(client, "members"),
            close=close,
        )
