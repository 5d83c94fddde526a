"""Drain a cell: it gets no new sessions, and its clients are asked to move to other cells, at a given rate.

The operator's order and the connections are the only state. So the command may be interrupted, and continues when it is
run again. Decision 0050 explains why no client misses a message.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from loudhailer import codec
from loudhailer.cells.placements.model import FORMER_SECONDS
from loudhailer.cells.taking_part import cells_taking_part
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName, PlayerId, SessionId, TenantId
from loudhailer.sessions.model import Session
from tools.errors import OperatorError
from tools.operations.cells import cell_named, dead_cells
from tools.stack.deployment import Deployment

MOST_A_SECOND = 1_000

_SPARE_SECONDS = 30
"""Time that a client has for its handshake, beside the overlap, before it is asked again."""

_MOST_TIMES = 3
_PARALLEL = 16
_POLL_SECONDS = 0.5
_LOOK_SECONDS = 10.0
"""Time between two looks at all sessions, while the counts say that some have not moved."""


def order_drain(deployment: Deployment, name: str, *, pause: Callable[[float], None] = time.sleep) -> CellName:
    """Order that the cell gets no new sessions, and wait until the others divide the limits without it.

    Raises:
        OperatorError: there is no such cell, or no other one that could take its clients.
    """
    cell_named(deployment, name)
    drained = CellName(name)
    _require_another(deployment, drained)
    deployment.directory.order(drained, 0)
    until = time.time() + 3 * _placement(deployment)["lease_seconds"]
    while time.time() < until and _divide_with(deployment, drained):
        pause(_POLL_SECONDS)
    return drained


def stop_drain(deployment: Deployment, name: str) -> None:
    """Take the order back; OperatorError if there is no such cell."""
    cell_named(deployment, name)
    deployment.directory.order(CellName(name), None)


def require_order(deployment: Deployment, name: CellName) -> None:
    """Raise OperatorError if the cell's clients must not be asked any more: they would come back to it at once."""
    if deployment.directory.statuses([name])[name].ordered_weight != 0:
        raise OperatorError(
            f"The cell {name} gets new sessions again: the drain was stopped.",
            "Clients that have moved stay where they are.",
        )
    _require_another(deployment, name)


def overlap_of(deployment: Deployment, name: CellName) -> int:
    """The seconds in which a broadcast may still be posted on a cell that was found there: see decision 0050."""
    timeouts = deployment.all_cells[name].outputs["timeouts"]
    longest = max(seconds for function, seconds in timeouts.items() if function.startswith("post_message"))
    return int(deployment.outputs["message_lifetime_seconds"]) + int(longest)


@dataclass
class Draining:
    """Asks a cell's clients to move until none is left.

    Before the first is asked, all sessions are extended. A client that has moved, or that does not say that it only
    renews its session, renews it elsewhere; here the session would end, and its end closes its connections.

    Attributes:
        cell: the cell.
        tenants: the tenants that may have sessions there.
        rate: connections that are asked in a second.
        overlap_seconds: time for which a client keeps its old connection.
        require_order: raises OperatorError once the clients must not be asked any more.
        progressed: receives the number of connections that are gone, and of all.
        asked: how often each connection has been asked.
    """

    cell: Deployment
    tenants: Sequence[TenantId]
    _: KW_ONLY
    rate: int
    overlap_seconds: int
    require_order: Callable[[], None] = lambda: None
    progressed: Callable[[int, int], None] = lambda _done, _total: None
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    asked: Counter[ConnectionKey] = field(default_factory=Counter)
    _asked_at: dict[ConnectionKey, float] = field(default_factory=dict)
    _gone: set[ConnectionKey] = field(default_factory=set)
    _extended: set[tuple[TenantId, SessionId]] = field(default_factory=set)
    _total: int = 0
    _shown_at: float = 0.0

    def __call__(self) -> int:
        """Ask them all; return how many connections have stayed although they were asked three times.

        Raises:
            OperatorError: the order was taken back meanwhile, or there is no other cell any more.
        """
        while groups := self._groups():
            due = [sessions for sessions in groups if self._are_due(sessions)]
            if due:
                self._ask(due)
            elif all(map(self._has_stayed, remaining := [key for group in groups for key in self._connections(group)])):
                return len(remaining)
            self._wait()
        self._show()
        return 0

    @cached_property
    def _gateway(self) -> Any:
        return self.cell.gateway

    def _groups(self) -> list[list[Session]]:
        """The sessions that have connections here: those of a player together, others each alone.

        Each is extended when it is found. An expired one that is not deleted yet has open connections, too.
        """
        found: dict[tuple[TenantId, PlayerId | SessionId], list[Session]] = defaultdict(list)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for tenant in self.tenants:
                for page in self.cell.sessions.of_tenant(tenant):
                    connected = [session for session in page if self._connections([session])]
                    list(pool.map(self._extend, connected))
                    for session in connected:
                        found[tenant, session.player_id or session.session_id].append(session)
        return list(found.values())

    def _extend(self, session: Session) -> None:
        """Let the session live as long as its connections may; once, since new ones are placed elsewhere."""
        key = session.tenant_id, session.session_id
        if key in self._extended:
            return
        try:
            self.cell.sessions.extend(*key, int(self.clock()) + FORMER_SECONDS)
        except TransientError:
            return  # it is not asked before it has been extended, at a later look
        self._extended.add(key)

    def _connections(self, sessions: Sequence[Session]) -> list[ConnectionKey]:
        return sorted(key for session in sessions for key in session.connections - self._gone)

    def _are_due(self, sessions: Sequence[Session]) -> bool:
        are_extended = all((session.tenant_id, session.session_id) in self._extended for session in sessions)
        return are_extended and any(map(self._is_due, self._connections(sessions)))

    def _is_due(self, key: ConnectionKey) -> bool:
        return self.asked[key] < _MOST_TIMES and self._is_over(key)

    def _has_stayed(self, key: ConnectionKey) -> bool:
        return self.asked[key] >= _MOST_TIMES and self._is_over(key)

    def _is_over(self, key: ConnectionKey) -> bool:
        """Tell whether a connection that was asked should be closed by now."""
        return self.clock() - self._asked_at.get(key, 0.0) >= self.overlap_seconds + _SPARE_SECONDS

    def _ask(self, due: Sequence[Sequence[Session]]) -> None:
        """Ask all devices of a player in one step, at the rate."""
        self._show()
        begins_at, begun = self.clock(), 0
        with ThreadPoolExecutor(_PARALLEL) as pool:
            asking = []
            for sessions in due:
                self.pause(max(0.0, begins_at + begun / self.rate - self.clock()))
                begun += len(self._connections(sessions))
                asking.append(pool.submit(self._ask_group, sessions))
                self._show_now_and_then()
            for group in asking:
                group.result()

    def _ask_group(self, sessions: Sequence[Session]) -> None:
        for key in self._connections(sessions):
            self.asked[key] += 1
            self._asked_at[key] = self.clock()
            if not self._post(key):
                self._gone.add(key)

    def _post(self, key: ConnectionKey) -> bool:
        """Ask one connection; return False if it is gone."""
        frame = codec.encode({"type": "move", "overlapSeconds": self.overlap_seconds})
        try:
            self._gateway.post_to_connection(ConnectionId=key.connection_id, Data=frame)
        except ClientError as error:
            return error.response["Error"]["Code"] != "GoneException"
        except BotoCoreError:
            pass  # it is asked again with all that did not move
        return True

    def _wait(self) -> None:
        """Wait until the counts are 0, but at most until the next look."""
        until = self.clock() + _LOOK_SECONDS
        while self._show() and self.clock() < until:
            self.pause(_POLL_SECONDS)

    def _show_now_and_then(self) -> None:
        if self.clock() - self._shown_at >= _POLL_SECONDS:
            self._show()

    def _show(self) -> int:
        """Show the progress; the number of connections that are left by the counts, which lag by a second or two.

        The order is looked at as often: a client that is asked without it comes back, and is asked again for ever.
        """
        self.require_order()
        remaining = sum(max(0, row.count) for row in self.cell.partitions.everywhere())
        self._total = max(self._total, remaining)
        self._shown_at = self.clock()
        self.progressed(self._total - remaining, self._total)
        return remaining


def _require_another(deployment: Deployment, drained: CellName) -> None:
    now = time.time()
    if not deployment.cells or not _taking_part(deployment, now) - {drained} - dead_cells(deployment, now):
        raise OperatorError("No other cell could take its clients.", "See `loudhailer status`.")


def _placement(deployment: Deployment) -> dict[str, int]:
    described: dict[str, dict[str, int]] = next(iter(deployment.outputs["cells"].values()))
    return described["placement"]


def _taking_part(deployment: Deployment, now: float) -> set[CellName]:
    weights = next(iter(deployment.outputs["cells"].values()))["weights"]
    statuses = deployment.directory.statuses(list(weights))
    lease_seconds = _placement(deployment)["lease_seconds"]
    return set(cells_taking_part(statuses, weights, own=HUB, now=now, lease_seconds=lease_seconds))


def _divide_with(deployment: Deployment, drained: CellName) -> bool:
    """Tell whether a live cell still divides the limits over the drained one, too."""
    dead = dead_cells(deployment, time.time())
    statuses = deployment.directory.statuses([name for name in deployment.cells if name not in dead])
    return any(status.lease is not None and drained in status.lease.taking_part for status in statuses.values())
