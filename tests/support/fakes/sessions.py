"""In-memory twin of the store of sessions."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from threading import Lock
from typing import override

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import PlayerId, SessionId, TenantId
from loudhailer.sessions.grants import Grants
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore


class MemorySessionStore(SessionStore):
    """Keeps sessions in a dictionary; `lock` makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[tuple[TenantId, SessionId], Session] = {}
        self.lock = Lock()

    @override
    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        return self.rows.get((tenant, session))

    @override
    def renew(
        self,
        tenant: TenantId,
        session: SessionId,
        *,
        player: PlayerId | None,
        expires_at: int,
        now: int,
        grants: Grants | None = None,
    ) -> bool:
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or not row.is_live(now) or (player and row.player_id is None):
                row = Session(tenant, session, expires_at, player)
            if player and player != row.player_id:
                return False
            kept = row.grants if grants is None else grants
            self.rows[tenant, session] = replace(row, expires_at=expires_at, grants=kept)
            return True

    @override
    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        yield [row for (of, _), row in self.rows.items() if of == tenant]

    @override
    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or not row.is_live(now):
                return None
            if row.is_to_be_renewed(session_seconds, now):
                row = self.rows[tenant, session] = replace(row, expires_at=now + session_seconds)
            return row

    @override
    def extend(self, tenant: TenantId, session: SessionId, expires_at: int) -> None:
        with self.lock:
            if row := self.rows.get((tenant, session)):
                self.rows[tenant, session] = replace(row, expires_at=max(row.expires_at, expires_at))

    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        """See `SessionStore.count`: each session is a page."""
        return (int(row.is_live(now)) for (of, _), row in self.rows.items() if of == tenant)

    @override
    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or (player and row.player_id not in {None, player}):
                return False
            del self.rows[tenant, session]
            return True

    @override
    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
        with self.lock:
            if row := self.rows.get((tenant, session)):
                self.rows[tenant, session] = replace(row, connections=row.connections - set(connections))

    @override
    def forget_all(
        self, gone: Mapping[tuple[TenantId, SessionId], Collection[ConnectionKey]]
    ) -> set[tuple[TenantId, SessionId]]:
        for (tenant, session), connections in gone.items():
            self.forget(tenant, session, connections)
        return set()

    @override
    def delete_expired(self, now: int) -> Iterator[int]:
        for key in [key for key, row in self.rows.items() if not row.is_live(now)]:
            with self.lock:
                row = self.rows.get(key)
                is_over = row is not None and not row.is_live(now)
                if is_over:
                    del self.rows[key]
            yield int(is_over)
