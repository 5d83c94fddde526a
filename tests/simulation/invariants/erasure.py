"""Invariant 11: nothing is left of a tenant that is erased."""

from typing import TYPE_CHECKING

from loudhailer.connections.model import PROBE
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

ERASED = "11: nothing is left of a tenant that is erased, and nothing of it comes back"

_TABLES = (
    "sessions",
    "connections",
    "messages",
    "places",
    "subscriptions",
    "members",
    "placements",
    "history",
    "publications",
)


class Erasure(Observer):
    """Looks through the tables once a tenant is erased, and at each row that is put afterwards."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._erased: set[str] = set()

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:  # noqa: ARG002  # whoever it is
        """Check that no row is a tenant's that is gone."""
        if not self._erased:
            return
        for write in writes:
            if write.table in _TABLES and write.new is not None and write.key[1] != PROBE:
                self._is_not_of_an_erased_tenant(write.table, write.key[0])

    def erased(self, tenant: str) -> None:
        """Check that nothing is left."""
        self._erased.add(tenant)
        for table in _TABLES:
            for key, rows in self.system.tables.tables[table].rows.items():
                if rows.keys() != {PROBE}:
                    self._is_not_of_an_erased_tenant(table, key)
        total = self.system.tables.tables["limits"].get((tenant, ""))
        holds(that=total is None, invariant=ERASED, text=f"{tenant} has a total: {total}")

    def _is_not_of_an_erased_tenant(self, table: str, key: str) -> None:
        tenant = key.partition("#")[0]
        holds(that=tenant not in self._erased, invariant=ERASED, text=f"{key} is in {table}, and {tenant} is erased")
