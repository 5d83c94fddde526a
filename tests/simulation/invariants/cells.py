"""Invariant 13: several cells together are one service."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.connections.model import PROBE
from loudhailer.ids import HUB
from tests.simulation.invariants.broadcasts import LIFETIME_SECONDS, Broadcasts
from tests.simulation.system import LEASE_SECONDS, TIMEOUTS
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loudhailer.aws.rows import Item
    from loudhailer.ids import CellName
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import EngineKey, Write

SUM = "13: a report is the sum of its cells"
PLACED = "13: no session or player is on a cell that it was not placed on"
KEPT = "13: a direct message is in an inbox, or somebody of its player has it"
STRANDED = "13: no direct message waits on a cell while its player is connected to the one where the player is placed"
FOLLOWS = "13: direct messages of one cell to a player who does not move arrive in the order of their acknowledgements"
SHARED = "13: the parts of a limit add up to the limit"
TOGETHER = "13: all cells together let in no more than the tenant's limit"
ASKED = "13: no client is asked to leave a cell that gets new sessions"
MISSED = "13: a client that was connected, or moved meanwhile, misses no broadcast"

_SKEW_SECONDS = 5.0
_KNOWN_SECONDS = 100.0
"""Time after which every function knows of a change of the cells: a tenant's copy is remembered for a minute."""

_ORDER_SECONDS = 30.0
"""Time after which a drain has noticed that its order was taken back."""

_POSTED_SECONDS = LIFETIME_SECONDS + TIMEOUTS["post_message"]
"""Time after its publication in which a broadcast may be posted."""


@dataclass
class _Together:
    """All that is known over the cells; the hub's observer has it.

    Attributes:
        inboxes: the cells that have a row of a direct message, each as often as it has one.
        taken: the connections that a direct message has reached.
        stored: where and when a direct message was stored first.
        excess: the connections that were let in by more than their cell's part of the limit while all take part.
        changed_at: when it last was not so that all cells took part.
        ordered_at: the last order of an operator.
        renewed_at: the last lease.
    """

    inboxes: defaultdict[str, Counter["CellName"]] = field(default_factory=lambda: defaultdict(Counter))
    taken: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    stored: dict[str, tuple["CellName", float]] = field(default_factory=dict)
    excess: set["EngineKey"] = field(default_factory=set)
    changed_at: float = float("inf")
    ordered_at: float = 0.0
    renewed_at: float = 0.0


class CellsInvariant(Observer):
    """Looks at one of several cells; what must hold over all of them is kept by the hub's observer."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._of_hub = _Together()

    @property
    def _together(self) -> _Together:
        return _observer(self.system.hub, CellsInvariant)._of_hub

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check messages that are deleted and connections that are recorded; note which cells take part."""
        for write in writes if self.system.has_cells else ():
            match write.table:
                case "messages":
                    self._message_written(write, invocation)
                case "connections" if write.old is None and write.new is not None and write.key[1] != PROBE:
                    self._recorded(write.key, write.new, invocation)
                case "cells" if self.system.name == HUB:
                    self._directory_written(write)

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """Check the limit that a handshake is let in by, once every function knows that all cells take part."""
        if not self.system.has_cells or invocation.function != "authorizer" or invocation.answer is None:
            return
        context = invocation.answer.get("context", {})
        faults = self.system.dice.fired
        is_struck = bool(faults) and faults[-1].at >= invocation.begun
        if "tenantConnections" not in context or is_struck or not self._all_take_part():
            return
        part, expected = int(context["tenantConnections"]), self._part_of(context["tenantId"])
        holds(
            that=part <= expected,
            invariant=SHARED,
            text=f"{self.system.name} lets in {part} connections of {context['tenantId']}, its part is {expected}",
        )

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """Note who has a direct message, and check its order; check that a client that is asked to move may do so."""
        if not self.system.has_cells:
            return
        found = json.loads(frame)
        if found.get("type") == "move":
            self._may_be_asked(client)
        if "srcPlayerId" in found and "sentAt" in found and "messageId" in found:
            self._direct_received(client, found["messageId"])

    def reported(self, broadcast: str, report: Any, begun: float) -> None:
        """Check that a report is the sum of its parts."""
        del begun
        parts = report.get("byCell")
        if parts is None:
            return
        for name in ("dispatched", "delivered", "gone", "failed", "inFlight"):
            total = sum(part[name] for part in parts.values())
            holds(
                that=report[name] == total,
                invariant=SUM,
                text=f"{broadcast} has {report[name]} {name}, and its cells {total}",
            )
        ends = [part["status"] == "finished" for part in parts.values()]
        holds(
            that=(report["status"] == "finished") == all(ends),
            invariant=SUM,
            text=f"{broadcast} is {report['status']}, and of its cells {sum(ends)} of {len(ends)} have finished",
        )

    def at_rest(self, *, healed: bool) -> None:
        """Check that no message is stranded, and no client was missed."""
        if healed or not self.system.has_cells:
            return
        for inbox, rows in self.system.tables.tables["messages"].rows.items():
            for row in rows.values():
                self._is_not_stranded(inbox, row)
        if self.system.name == HUB:
            for broadcast in _observer(self.system, Broadcasts).broadcasts:
                self._is_missed_by_nobody(broadcast)

    def _message_written(self, write: "Write", invocation: "SimulatedInvocation | None") -> None:
        together, name = self._together, write.key[1].partition("#")[0]
        if write.old is None:
            together.inboxes[name][self.system.name] += 1
            together.stored.setdefault(name, (self.system.name, self.system.scheduler.now))
        if write.new is not None or write.old is None:
            return
        together.inboxes[name][self.system.name] -= 1
        is_over = int(write.old["expiresAt"]["N"]) <= self.system.scheduler.now + _SKEW_SECONDS
        holds(
            that=invocation is None or is_over or bool(+together.inboxes[name]) or bool(together.taken[name]),
            invariant=KEPT,
            text=f"message {name} is deleted on {self.system.name}; it is in no other inbox, and nobody has it",
        )

    def _direct_received(self, client: "SimulatedClient", name: str) -> None:
        together = self._together
        if client.connection in together.taken[name]:
            return
        origin, stored_at = together.stored[name]
        placement = self.system.placement(client.tenant, f"player#{client.context.get('playerId')}")
        if placement is not None and "former" not in placement:
            later = [
                other
                for other, taken in together.taken.items()
                if client.connection in taken
                and together.stored[other][0] == origin
                and _sent_at(other) > stored_at + _SKEW_SECONDS
            ]
            holds(that=not later, invariant=FOLLOWS, text=f"{client} gets message {name} of {origin} after {later}")
        together.taken[name].add(client.connection)

    def _may_be_asked(self, client: "SimulatedClient") -> None:
        orders = self.system.hub.tables.tables["cells"].rows.get("orders", {})
        is_drained = self.system.name in orders and float(orders[self.system.name]["weight"]["N"]) == 0
        holds(
            that=is_drained or self.system.scheduler.now - self._together.ordered_at < _ORDER_SECONDS,
            invariant=ASKED,
            text=f"{client} is asked to leave {self.system.name}, which gets new sessions",
        )

    def _recorded(self, key: "EngineKey", row: "Item", invocation: "SimulatedInvocation | None") -> None:
        tenant, session = row["tenantId"]["S"], row["sessionId"]["S"]
        placement = self.system.placement(tenant, f"session#{session}")
        on = set() if placement is None else {placement["cell"]["S"]}
        if placement is not None and int(placement.get("formerUntil", {"N": "0"})["N"]) > self.system.scheduler.now:
            on.add(placement["former"]["S"])
        holds(
            that=self.system.name in on,
            invariant=PLACED,
            text=f"{key[1]} is recorded on {self.system.name}, and session {session} is placed on {sorted(on)}",
        )
        together = self._together
        context = {} if invocation is None else invocation.event["requestContext"]["authorizer"]
        if int(context.get("tenantConnections", 0)) > self._part_of(tenant):
            together.excess.add(key)
        rows = {one for cell in self.system.cells.values() for one in _connections(cell, tenant)}
        limit = self._limit_of(tenant)
        holds(
            that=len(rows) <= limit or bool(rows & together.excess),
            invariant=TOGETHER,
            text=f"{tenant} has {len(rows)} connections on all cells, of {limit}",
        )

    def _directory_written(self, write: "Write") -> None:
        together, now = self._together, self.system.scheduler.now
        key, row = write.key[0], write.new
        if key == "orders":
            together.changed_at = together.ordered_at = now
        if not key.startswith("seen#") or row is None:
            return
        is_well = row["isWell"]["BOOL"] and set(row["takingPart"]["M"]) == set(self.system.names)
        if not is_well or now - together.renewed_at > LEASE_SECONDS - _SKEW_SECONDS:
            together.changed_at = now
        together.renewed_at = int(row["renewedAt"]["N"])

    def _all_take_part(self) -> bool:
        """Tell whether all cells have taken part for so long that every function knows it."""
        together, now = self._together, self.system.scheduler.now
        orders = self.system.hub.tables.tables["cells"].rows.get("orders")
        is_alive = now - together.renewed_at < LEASE_SECONDS - _SKEW_SECONDS
        return not orders and is_alive and now - together.changed_at > _KNOWN_SECONDS

    def _limit_of(self, tenant: str) -> int:
        row = self.system.hub.tables.tables["tenants"].get((tenant, ""))
        return 0 if row is None else int(row["tenantConnections"]["N"])

    def _part_of(self, tenant: str) -> int:
        """This cell's part of a tenant's connections if all take part, with the same weight."""
        names = sorted(self.system.names)
        least, left = divmod(self._limit_of(tenant), len(names))
        return max(1, least + (names.index(self.system.name) < left))

    def _is_not_stranded(self, inbox: str, row: "Item") -> None:
        """Check that the player of a message here is not connected to another cell, the one of the placement."""
        if int(row["expiresAt"]["N"]) <= self.system.scheduler.now + _SKEW_SECONDS:
            return
        tenant, _, player = inbox.partition("#")
        row_of_tenant = self.system.hub.tables.tables["tenants"].get((tenant, ""))
        if row_of_tenant is None or "erasing" in row_of_tenant:
            return
        placement = self.system.placement(tenant, f"player#{player}")
        if placement is None or placement["cell"]["S"] == self.system.name:
            return
        there = self.system.cells[placement["cell"]["S"]]
        if any(inbox in _letters(cell) for cell in (self.system, there, self.system.hub)):
            return
        for client in there.gateway.clients.values():
            is_there = client.state == "open" and (client.tenant, client.context.get("playerId")) == (tenant, player)
            holds(
                that=not is_there or not _has_row(there, client),
                invariant=STRANDED,
                text=f"{row['messageId']['S']} waits on {self.system.name}, and {client} is connected to {there.name}",
            )

    def _is_missed_by_nobody(self, broadcast: str) -> None:
        """Check that each client that was there got it, unless it failed or the report shows a shortfall."""
        known = _observer(self.system, Broadcasts).broadcasts[broadcast]
        summary = self.system.tables.tables["broadcasts"].get((broadcast, "summary"))
        if summary is None or not summary["announced"]["BOOL"] or "roomKey" in codec.decode(summary["audience"]["S"]):
            return
        cells = [_observer(cell, Broadcasts) for cell in self.system.cells.values()]
        if any(one.is_cut_short(broadcast) for one in cells):
            return
        served = {number for one in cells for number in one.served(broadcast)}
        missed = {
            client.number
            for one in cells
            for client in one.audience(summary, known.published_at, _POSTED_SECONDS)
            if client.number not in served
        }
        holds(that=not missed, invariant=MISSED, text=f"clients {sorted(missed)} miss {broadcast} on all cells")


def _observer[T: Observer](system: "SimulatedSystem", kind: type[T]) -> T:
    return next(one for one in system.watch.observers if isinstance(one, kind))


def _connections(system: "SimulatedSystem", tenant: str) -> "Iterator[EngineKey]":
    for partition, rows in system.tables.tables["connections"].rows.items():
        if partition.startswith(f"{tenant}#"):
            yield from ((partition, connection) for connection in rows.keys() - {PROBE})


def _has_row(system: "SimulatedSystem", client: "SimulatedClient") -> bool:
    return system.tables.tables["connections"].get((client.context["partition"], client.connection)) is not None


def _letters(system: "SimulatedSystem") -> set[str]:
    """The inboxes whose wakes or requests were given up, and are found by a redrive."""
    names = ("inbox-failure", "forward-failure")
    queues = [system.queues[name] for name in names if name in system.queues]
    return {json.loads(message.body)["inbox"] for queue in queues for message in queue.messages.values()}


def _sent_at(name: str) -> float:
    """The time at which API Gateway received a message, by its id."""
    return int(name.partition("-")[0]) / 1000
