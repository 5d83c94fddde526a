"""Erase a tenant: its sessions, connections, subscriptions and messages, its counters, and then its row.

From the first moment the tenant does not exist for any function of the hub's cell; further cells copy its mark before
they are looked through. Each step may be repeated: running the command again
after an interruption continues where it stopped. Sessions are ended a hundred at a time, and the next ones when their
connections are gone. So other tenants' sessions do not wait behind them in the stream. When all cells are done, the hub
forgets on which of them the tenant's sessions and players were placed.

Something may be on its way that was let in before: a session, a message. So everything is looked through once more when
no function can be at work any more that began before all was gone.

The partitions' rows contain only counts of the tenant's connections, which are 0 in the end: the rows are retired, and
`reconcile` removes them. So it does with the counts of channels, whose names stay for up to three hours. A broadcast's
rows are the publisher's, and expire within a week.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass, field, replace
from itertools import batched
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from loudhailer.connections.model import PROBE, ConnectionKey
from loudhailer.ids import new_probe_id
from loudhailer.inbox.model import Inbox
from loudhailer.limits.places.model import player_of
from tools.errors import OperatorError
from tools.stack.deployment import Deployment

if TYPE_CHECKING:
    from loudhailer.cells.placements.port import PlacementStore
    from loudhailer.channels.port import MemberStore, SubscriptionStore
    from loudhailer.connections.devices.port import DeviceStore
    from loudhailer.connections.port import ConnectionStore
    from loudhailer.history.port import HistoryStore, PublicationStore
    from loudhailer.ids import CellName, PlayerId, TenantId
    from loudhailer.inbox.port import InboxStore
    from loudhailer.limits.places.port import PlaceStore
    from loudhailer.limits.port import LimitStore
    from loudhailer.partitions.port import PartitionStore
    from loudhailer.sessions.port import SessionStore
    from loudhailer.tenants.port import TenantStore

_SESSIONS_AT_ONCE = 100
_MESSAGES_AT_ONCE = 100
_CLOSING_SECONDS = 15.0
_COUNTING_SECONDS = 60.0
_POLL_SECONDS = 0.25
_PARALLEL = 16


@dataclass(frozen=True, kw_only=True)
class Stores:
    """All that a tenant has rows in; `close` closes a connection, and is not troubled if it is closed.

    Only a hub has `history` and `publications`, and only one with further cells `placements`.
    """

    tenants: "TenantStore"
    sessions: "SessionStore"
    connections: "ConnectionStore"
    devices: "DeviceStore"
    partitions: "PartitionStore"
    places: "PlaceStore"
    inboxes: "InboxStore"
    limits: "LimitStore"
    subscriptions: "SubscriptionStore"
    members: "MemberStore"
    close: Callable[[ConnectionKey], None]
    placements: "PlacementStore | None" = None
    history: "HistoryStore | None" = None
    publications: "PublicationStore | None" = None

    @classmethod
    def of(cls, deployment: Deployment) -> "Stores":
        """The stores of a deployment."""
        gateway = deployment.gateway

        def close(key: ConnectionKey) -> None:
            try:
                gateway.delete_connection(ConnectionId=key.connection_id)
            except ClientError as error:
                if error.response["Error"]["Code"] != "GoneException":
                    raise

        return cls(
            tenants=deployment.tenants,
            sessions=deployment.sessions,
            connections=deployment.connections,
            devices=deployment.devices,
            partitions=deployment.partitions,
            places=deployment.places,
            inboxes=deployment.inboxes,
            limits=deployment.limits,
            subscriptions=deployment.subscriptions,
            members=deployment.members,
            close=close,
            placements=deployment.placements,
            history=deployment.history,
            publications=deployment.publications,
        )


@dataclass
class Erasing:
    """Erases one tenant.

    Attributes:
        stores: where it has rows in the hub's cell.
        tenant: the tenant.
        progressed: receives the number of erased rows so far, and their kind.
        further: where it has rows in each further cell.
        spread: waits until every further cell knows that the tenant is being erased, for a limited time; returns the
            cells that do not know it then.
        quiet_seconds: how long a function may be at work that was let in before; see `Deployment.quiet_seconds`.
        erased: how many of each kind are gone.
    """

    stores: Stores
    tenant: "TenantId"
    progressed: Callable[[int, str], None] = lambda _done, _kind: None
    _: KW_ONLY
    further: Sequence[Stores] = ()
    spread: Callable[[], Sequence["CellName"]] = lambda: ()
    quiet_seconds: float
    clock: Callable[[], float] = time.time
    pause: Callable[[float], None] = time.sleep
    erased: Counter[str] = field(default_factory=Counter)

    def __call__(self) -> None:
        """Erase it all.

        Raises:
            OperatorError: there is no such tenant; or a cell does not answer or something is left, and the command is
                to be run again.
        """
        if not self.stores.tenants.begin_erasing(self.tenant):
            raise OperatorError(f"There is no tenant {self.tenant}.", "See `loudhailer tenant list`.")
        if self.further:
            self.progressed(0, "waiting for the cells")
        if missing := self.spread():
            raise OperatorError(
                f"Tenant {self.tenant} is not erased yet: {' and '.join(missing)} did not answer in time.",
                f"Look at `loudhailer status` and `loudhailer logs beat --cell {missing[0]}`, then run this again.",
            )
        for stores in (self.stores, *self.further):
            replace(self, stores=stores)._erase()  # noqa: SLF001  # this class's own, of another cell
        if self.stores.placements is not None:
            self.progressed(self.erased.total(), "placements")
            self.stores.placements.forget(self.tenant)
        self.stores.tenants.end_erasing(self.tenant, int(self.clock()))

    def _erase(self) -> None:
        """Erase all rows in one cell but the tenant itself."""
        self._look_through()
        while True:
            self._await_counted()
            self.progressed(self.erased.total(), "waiting for what is on its way")
            self.pause(self.quiet_seconds)
            if not self._look_through():
                break
        self._await_counted()
        self._retire()
        self.stores.limits.forget(self.tenant)

    def _look_through(self) -> int:
        """Erase sessions, connections, subscriptions, histories and messages; how many there were."""
        before = self.erased.total()
        self._end_sessions()
        self._close_connections()
        self._note("subscriptions", self.stores.subscriptions.forget(self.tenant))
        self._note("members", self.stores.members.forget(self.tenant))
        if self.stores.history is not None:
            self._note("history", self.stores.history.forget(self.tenant))
        if self.stores.publications is not None:
            self._note("publications", self.stores.publications.forget(self.tenant))
        self._empty_inboxes()
        return self.erased.total() - before

    def _end_sessions(self) -> None:
        for page in self.stores.sessions.of_tenant(self.tenant):
            for sessions in batched(page, _SESSIONS_AT_ONCE, strict=False):
                for session in sessions:
                    if self.stores.sessions.delete(self.tenant, session.session_id):
                        self._note("sessions")
                self._await_closed({key for session in sessions for key in session.connections})
                self._forget_devices({session.player_id for session in sessions if session.player_id})

    def _await_closed(self, keys: Collection[ConnectionKey]) -> None:
        """Wait until `end_session` has closed the connections; the remaining ones are closed later."""
        until = self.clock() + _CLOSING_SECONDS
        remaining = sorted(keys)
        while remaining and self.clock() < until:
            self.progressed(self.erased.total(), f"{len(remaining)} connections are being closed")
            self.pause(_POLL_SECONDS)
            recorded = self.stores.connections.connected_at(remaining)
            self._note("connections", len(remaining) - len(recorded))
            remaining = sorted(recorded)

    def _forget_devices(self, players: "Collection[PlayerId]") -> None:
        """Forget the connections of players; those of a session that an interrupted run ended expire in two hours."""
        for player in players:
            keys = self.stores.devices.of_player(self.tenant, player)
            self.stores.devices.forget(self.tenant, player, [key.connection_id for key in keys])

    def _close_connections(self) -> None:
        """Close the connections that are in no session, and delete their rows.

        A probe that `reconcile` has left is counted as they are, and goes with them.
        """
        for row in self.stores.partitions.of(self.tenant):
            self.stores.connections.delete(ConnectionKey(row.partition, PROBE))
        with ThreadPoolExecutor(_PARALLEL) as pool:
            for keys in self._recorded_connections():
                for _ in pool.map(self._close, keys):
                    self._note("connections")

    def _recorded_connections(self) -> Iterator[list[ConnectionKey]]:
        for row in self.stores.partitions.of(self.tenant):
            for page in self.stores.connections.in_partition(row.partition, after=None, not_expired_at=0):
                yield [ConnectionKey(row.partition, connection) for connection, _ in page]

    def _close(self, key: ConnectionKey) -> None:
        self.stores.close(key)
        self.stores.connections.delete(key)

    def _empty_inboxes(self) -> None:
        names = self.stores.places.names(self.tenant)
        for player in filter(None, map(player_of, names)):
            inbox = Inbox(self.tenant, player)
            while messages := self.stores.inboxes.oldest(inbox, _MESSAGES_AT_ONCE):
                self.stores.inboxes.delete(messages)
                self._note("messages", len(messages))
        self.stores.places.delete(self.tenant, names)

    def _await_counted(self) -> None:
        """Wait until `accounting` has counted and released that all connections are gone.

        A count of 0 is not enough: there may be connections whose stream records have not arrived yet. So
        each partition gets a probe, and `accounting` notes it when it is done with all that went before.
        """
        probe = new_probe_id()
        partitions = [row.partition for row in self.stores.partitions.of(self.tenant)]
        for partition in partitions:
            self.stores.connections.probe(partition, probe, int(self.clock()))
        until = self.clock() + _COUNTING_SECONDS
        while any(
            row.count or row.recount or row.probe != probe
            for row in self.stores.partitions.of(self.tenant)
            if row.partition in partitions
        ):
            if self.clock() >= until:
                raise OperatorError(
                    f"Tenant {self.tenant} is not erased yet: not all of its connections are counted as gone.",
                    "See that `accounting` runs, and run this again; a count in doubt is repaired within two hours.",
                )
            self.progressed(self.erased.total(), "counting connections")
            self.pause(_POLL_SECONDS)

    def _retire(self) -> None:
        for row in self.stores.partitions.of(self.tenant):
            if row.retired_at is None and self.stores.partitions.retire(
                row.partition, checkpoint=row.checkpoint, at=int(self.clock())
            ):
                self._note("partitions")

    def _note(self, kind: str, number: int = 1) -> None:
        if number:
            self.erased[kind] += number
        self.progressed(self.erased.total(), kind)
