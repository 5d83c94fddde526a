"""The in-memory twin of the table of devices."""

from collections import defaultdict
from collections.abc import Iterable
from typing import override

from loudhailer.connections.devices.port import DeviceStore
from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import ConnectionId, PlayerId, TenantId
from tests.support.fakes.connections import MemoryConnectionStore


class MemoryDeviceStore(DeviceStore):
    """Finds the connections among the rows of the other twin; those of `gone` have none any more."""

    def __init__(self, connections: MemoryConnectionStore) -> None:
        self._connections = connections
        self.gone: defaultdict[tuple[TenantId, PlayerId], set[ConnectionKey]] = defaultdict(set)

    @override
    def of_player(self, tenant: TenantId, player: PlayerId) -> list[ConnectionKey]:
        rows = self._connections.rows.items()
        return [key for key, row in rows if (row.tenant_id, row.player_id) == (tenant, player)] + sorted(
            self.gone[tenant, player]
        )

    @override
    def forget(self, tenant: TenantId, player: PlayerId, connections: Iterable[ConnectionId]) -> None:
        over = set(connections)
        self.gone[tenant, player] = {key for key in self.gone[tenant, player] if key.connection_id not in over}
