"""The cell on which a session lives.

If the hub has the only cell, all sessions are there, and nothing is read or written about it. With further cells the
session follows its player, so that all of a player's devices are on one cell; it stays there while that cell is a
candidate, and is placed again by rendezvous hashing otherwise. Decision 0047 has the reasons.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from loudhailer.cells.model import CellStatus, DeclaredCell, is_url_in
from loudhailer.cells.placements.model import (
    FORMER_SECONDS,
    Placement,
    name_of_player,
    name_of_session,
    placement_after,
)
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.cells.port import CellDirectory
from loudhailer.cells.rendezvous import ranked
from loudhailer.cells.taking_part import cells_taking_part
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, CellName, PlayerId, SessionId, TenantId
from loudhailer.limits.places.port import PlaceStore
from loudhailer.limits.shares import Shares
from loudhailer.observability import count, logger
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore
from loudhailer.tenants.model import Tenant

_ATTEMPTS = 4

_DIRECTORY_SECONDS = 1
"""Seconds for which the status of the cells is cached: leases are renewed every five seconds."""

_NOTED_SECONDS = 3_600
"""Seconds after which the note is renewed that a tenant may have connections on a cell."""

_MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStores:
    """The tables of sessions of one cell."""

    sessions: SessionStore
    places: PlaceStore


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionCell:
    """The cell on which a session lives.

    Attributes:
        name: the cell's name.
        sessions: its sessions.
        places: its places.
        websocket_url: the URL to which its clients connect.
        tenant_sessions: most sessions that the tenant may have there.
        player: the player that the session is to be bound to; None keeps its present one.
    """

    name: CellName
    sessions: SessionStore
    places: PlaceStore
    websocket_url: str
    tenant_sessions: int
    player: PlayerId | None


class Placing(Protocol):
    """Knows the cells of sessions."""

    def place(
        self, tenant: Tenant, session: SessionId, player: PlayerId | None, *, is_renewal: bool = False
    ) -> SessionCell | None:
        """Return the cell that the session lives on from now on; None if the session is bound to another player.

        A renewal keeps a session with a connected client on its cell.
        """

    def cells_of(self, tenant: Tenant, session: SessionId) -> Sequence[tuple[CellName, SessionStore]]:
        """The cells that the session may live on, the present one first."""


class OneCell(Placing):
    """All sessions are on the hub's cell."""

    def __init__(self, stores: CellStores, websocket_url: str) -> None:
        self._stores = stores
        self._websocket_url = websocket_url

    def place(
        self, tenant: Tenant, session: SessionId, player: PlayerId | None, *, is_renewal: bool = False
    ) -> SessionCell:
        """Return the hub's cell."""
        del session, is_renewal
        return SessionCell(
            name=HUB,
            sessions=self._stores.sessions,
            places=self._stores.places,
            websocket_url=self._websocket_url,
            tenant_sessions=tenant.tenant_sessions,
            player=player,
        )

    def cells_of(self, tenant: Tenant, session: SessionId) -> Sequence[tuple[CellName, SessionStore]]:
        """Return the hub's cell."""
        del tenant, session
        return [(HUB, self._stores.sessions)]


class TenantNotCopiedError(TransientError):
    """The cell for a session has not copied the tenant's last change yet; it will within seconds.

    The tenant's key, and so the session's id, may differ there, and the handshake would be refused.
    """

    def __init__(self) -> None:
        super().__init__("the cell does not have the tenant's last change yet")


class _Cells(NamedTuple):
    """The status of the cells for a tenant's sessions.

    Attributes:
        taking_part: the cells that keep their sessions, with their weights.
        candidates: the cells that get new sessions: they have the tenant's last change.
        urls: the clients' URLs of all cells that ever had a lease.
    """

    taking_part: Mapping[CellName, float]
    candidates: Mapping[CellName, float]
    urls: Mapping[CellName, str]


class SeveralCells(Placing):
    """Places sessions on the hub's cell and the further ones."""

    def __init__(
        self,
        directory: CellDirectory,
        placements: PlacementStore,
        cells: Mapping[CellName, DeclaredCell],
        stores: Callable[[CellName], CellStores],
        *,
        hub_weight: float,
        hub_url: str,
        home_connections: int,
        lease_seconds: int,
        clock: Callable[[], float],
    ) -> None:
        self._directory = directory
        self._placements = placements
        self._cells = cells
        self._stores = stores
        self._weights = {HUB: hub_weight} | {name: cell.weight for name, cell in cells.items()}
        self._hub_url = hub_url
        self._shares = Shares(weights=self._weights, home_connections=home_connections)
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._known: tuple[float, Mapping[CellName, CellStatus], Mapping[CellName, str]] | None = None
        # The tenant's revision is in the key: the next tenant of an erased one's id has a later one, and no note yet.
        self._noted: dict[tuple[TenantId, int, CellName], float] = {}

    def place(
        self, tenant: Tenant, session: SessionId, player: PlayerId | None, *, is_renewal: bool = False
    ) -> SessionCell | None:
        """Record the cell of the session and its player, and return it.

        Raises:
            TenantNotCopiedError: the session is new on its cell, which does not have the tenant's last change yet.
            TransientError: other requests placed the session at every attempt, or a cell that it may be on does not
                answer.
        """
        for _ in range(_ATTEMPTS):
            names = [name_of_session(session)] if player is None else [name_of_session(session), name_of_player(player)]
            found = self._placements.get(tenant.tenant_id, names)
            own, players = found.get(names[0]), _asked_for(found.get(names[-1]))
            live = None if own else self._live(HUB, tenant, session)
            current = own.cell if own else HUB if live else None
            wanted = players.cell if players else current
            cells = self._cells_for(tenant)
            cell = self._cell_of(tenant, names[-1], wanted, current, cells)
            if current is not None and current != cell:
                live, bound = self._session_to_move(own, current, tenant, session)
                if bound is not None and bound != player:
                    return None if player else self.place(tenant, session, bound, is_renewal=is_renewal)
                if is_renewal and live is not None and live.connections and bound == player and current in cells.urls:
                    # A connected client does not move: on another cell the session would have no connection.
                    return self._session_cell(tenant, current, player, cells)
                if live is not None and player is not None and bound is None:
                    # As with a single cell: a session that is bound to a player only now is created again, and its
                    # connections are closed.
                    self._stores(current).sessions.delete(tenant.tenant_id, session)
            if self._write(tenant, cell, player, {name: found.get(name) for name in reversed(names)}):
                return self._session_cell(tenant, cell, player, cells)
        raise TransientError("other requests placed the session at every attempt")

    def cells_of(self, tenant: Tenant, session: SessionId) -> Sequence[tuple[CellName, SessionStore]]:
        """Return the cell of its placement, and its former cell while that may still have connections."""
        name = name_of_session(session)
        placement = self._placements.get(tenant.tenant_id, [name]).get(name)
        cells = [] if placement is None else [placement.cell]
        if placement is not None and placement.former is not None and placement.former_until > self._clock():
            cells.append(placement.former)
        # A session without a placement is older than the further cells; a cell may be declared no more.
        declared = [cell for cell in cells if cell in self._weights] or [HUB]
        return [(cell, self._stores(cell).sessions) for cell in declared]

    def _live(self, cell: CellName, tenant: Tenant, session: SessionId) -> Session | None:
        """Return the session if it lives on the cell."""
        found = self._stores(cell).sessions.get(tenant.tenant_id, session) if cell in self._weights else None
        return found if found is not None and found.is_live(self._clock()) else None

    def _session_to_move(
        self, own: Placement | None, cell: CellName, tenant: Tenant, session: SessionId
    ) -> tuple[Session | None, PlayerId | None]:
        """Return a session that is to leave a cell, and its player: by its placement if the cell does not answer."""
        try:
            live = self._live(cell, tenant, session)
        except TransientError as error:
            logger.warning("the cell that a session leaves does not answer", cell=cell, error=str(error))
            return None, None if own is None else own.player
        return live, None if live is None else live.player_id

    def _cells_for(self, tenant: Tenant) -> _Cells:
        """The cells as they are for the tenant's sessions."""
        now = self._clock()
        if self._known is None or now - self._known[0] >= _DIRECTORY_SECONDS:
            statuses = self._directory.statuses(list(self._weights))
            self._known = now, statuses, self._urls(statuses)
        _, statuses, urls = self._known
        leases = {cell: lease for cell in urls if (lease := statuses[cell].lease) is not None}
        taking_part = cells_taking_part(
            {cell: statuses[cell] for cell in urls},
            self._weights,
            own=HUB,
            now=now,
            lease_seconds=self._lease_seconds,
        )
        if not taking_part:
            count("NoCellAlive")
            lost = {cell for cell, lease in leases.items() if not lease.is_alive(now, self._lease_seconds)}
            alive = dict.fromkeys(urls.keys() - lost, 1.0)
            return _Cells(taking_part=alive, candidates=alive, urls=urls)
        late = {cell for cell, lease in leases.items() if lease.tenant_revision < tenant.revision}
        candidates = {cell: weight for cell, weight in taking_part.items() if cell not in late}
        return _Cells(taking_part=taking_part, candidates=candidates, urls=urls)

    def _urls(self, statuses: Mapping[CellName, CellStatus]) -> Mapping[CellName, str]:
        """Return the clients' URLs: of the hub's cell, and of each further cell whose lease has a legal one."""
        urls = {HUB: self._hub_url}
        for cell, declared in self._cells.items():
            lease = statuses[cell].lease
            if lease is None:
                continue
            if is_url_in(declared.region, lease.websocket_url, self._hub_url):
                urls[cell] = lease.websocket_url
            else:
                count("CellMisleads")
                logger.error("a cell names a URL that is not its own", cell=cell)
        return urls

    def _cell_of(
        self, tenant: Tenant, name: str, wanted: CellName | None, current: CellName | None, cells: _Cells
    ) -> CellName:
        """The wanted cell if it takes part, or the best candidate for the name.

        A session stays on a cell that does not have the tenant's last change yet: if it moved, it would part from its
        player's other devices. A new one has to wait for that cell to copy the change.
        """
        if wanted is not None and wanted in cells.taking_part:
            if wanted != current and wanted not in cells.candidates:
                raise TenantNotCopiedError
            return wanted
        if not cells.candidates:
            raise TenantNotCopiedError
        return self._choose(tenant, name, cells.candidates)

    def _choose(self, tenant: Tenant, name: str, candidates: Mapping[CellName, float]) -> CellName:
        """Return the best candidate among the tenant's homes, or among all cells if no home is a candidate."""
        alive = {home: candidates[home] for home in self._shares.homes(tenant) if home in candidates}
        return ranked(f"{tenant.tenant_id}#{name}", alive or candidates)[0]

    def _write(
        self,
        tenant: Tenant,
        cell: CellName,
        player: PlayerId | None,
        seen: Mapping[str, Placement | None],
    ) -> bool:
        """Note that the tenant is on the cell, then put the placements in order; False if another request was first."""
        now = int(self._clock())
        note = tenant.tenant_id, tenant.revision, cell
        if now - self._noted.get(note, 0) >= _NOTED_SECONDS:
            self._placements.add_cell(tenant.tenant_id, cell, now)
            self._forget_removed_cells(tenant, now)
            if len(self._noted) >= _MOST_REMEMBERED:
                self._noted.clear()
            self._noted[note] = now
        for name, before in seen.items():
            bound = player if name.startswith("session#") else None
            if before is not None and bound is None:
                bound = before.player
            known = _asked_for(before)
            if known is not None and known.is_fresh(now) and (known.cell, known.player) == (cell, bound):
                continue
            if not self._placements.put(tenant.tenant_id, name, placement_after(before, cell, bound, now)):
                return False
        return True

    def _forget_removed_cells(self, tenant: Tenant, now: int) -> None:
        """Remove the notes of cells that are not declared any more.

        While the map is being changed, an environment with the former one may find the note of a new cell. So a note is
        kept for as long as a client that was placed there last may be connected.
        """
        kept = tenant.session_seconds + FORMER_SECONDS + _NOTED_SECONDS
        for cell, noted_at in self._placements.cells_of(tenant.tenant_id).items():
            if cell not in self._weights and now - noted_at > kept:
                self._placements.remove_cell(tenant.tenant_id, cell, noted_at)

    def _session_cell(self, tenant: Tenant, cell: CellName, player: PlayerId | None, cells: _Cells) -> SessionCell:
        stores = self._stores(cell)
        return SessionCell(
            name=cell,
            sessions=stores.sessions,
            places=stores.places,
            websocket_url=cells.urls[cell],
            tenant_sessions=self._shares.part(tenant, cell, cells.taking_part).tenant_sessions,
            player=player,
        )


def _asked_for(placement: Placement | None) -> Placement | None:
    """The placement, unless only messages have made it: where they came from does not decide about a session."""
    return None if placement is None or placement.is_provisional else placement
