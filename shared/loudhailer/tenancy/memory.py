"""The in-memory twins of the tenants', the sessions' and the limits' tables."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from operator import attrgetter
from threading import Lock

from loudhailer.connections.model import ConnectionKey
from loudhailer.ids import PlayerId, SessionId, TenantId
from loudhailer.tenancy.model import Inquiry, MinuteCounter, Session, Tenant, TenantTotal, Tombstone
from loudhailer.tenancy.port import LimitStore, SessionStore, TenantStore


class MemoryTenantStore(TenantStore):
    """Keeps tenants in a dictionary; counts the reads, so that a cache can be tested."""

    def __init__(self, *tenants: Tenant) -> None:
        self.rows = {tenant.tenant_id: tenant for tenant in tenants}
        self.erased: dict[TenantId, int | None] = {}
        self.reads = 0

    def get(self, tenant: TenantId, *, consistent: bool = False) -> Tenant | None:  # noqa: ARG002  # it always is
        """See `TenantStore.get`."""
        self.reads += 1
        return self.rows.get(tenant)

    def everyone(self) -> list[Tenant]:
        """See `TenantStore.everyone`."""
        return sorted(self.rows.values(), key=attrgetter("tenant_id"))

    def put(self, tenant: Tenant, *, erased_before: int | None = None) -> bool:
        """See `TenantStore.put`."""
        if tenant.tenant_id in self.erased:
            erased_at = self.erased[tenant.tenant_id]
            if erased_at is None or (erased_before is not None and erased_at >= erased_before):
                return False
            del self.erased[tenant.tenant_id]
        self.rows[tenant.tenant_id] = tenant
        return True

    def begin_erasing(self, tenant: TenantId) -> bool:
        """See `TenantStore.begin_erasing`."""
        if self.rows.pop(tenant, None) is not None:
            self.erased[tenant] = None
        return self.erased.get(tenant, 0) is None

    def end_erasing(self, tenant: TenantId, now: int) -> None:
        """See `TenantStore.end_erasing`."""
        if self.erased.get(tenant, 0) is None:
            self.erased[tenant] = now

    def tombstones(self) -> list[Tombstone]:
        """See `TenantStore.tombstones`."""
        return [Tombstone(tenant, self.erased[tenant]) for tenant in sorted(self.erased)]


class MemorySessionStore(SessionStore):
    """Keeps sessions in a dictionary; `lock` makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[tuple[TenantId, SessionId], Session] = {}
        self.lock = Lock()

    def get(self, tenant: TenantId, session: SessionId) -> Session | None:
        """See `SessionStore.get`."""
        return self.rows.get((tenant, session))

    def renew(
        self, tenant: TenantId, session: SessionId, *, player: PlayerId | None, expires_at: int, now: int
    ) -> bool:
        """See `SessionStore.renew`."""
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or not row.is_live(now) or (player and row.player_id is None):
                row = Session(tenant, session, expires_at, player)
            if player and player != row.player_id:
                return False
            self.rows[tenant, session] = replace(row, expires_at=expires_at)
            return True

    def of_tenant(self, tenant: TenantId) -> Iterator[list[Session]]:
        """See `SessionStore.of_tenant`."""
        yield [row for (of, _), row in self.rows.items() if of == tenant]

    def keep_alive(self, tenant: TenantId, session: SessionId, *, session_seconds: int, now: int) -> Session | None:
        """See `SessionStore.keep_alive`."""
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or not row.is_live(now):
                return None
            if row.is_to_be_renewed(session_seconds, now):
                row = self.rows[tenant, session] = replace(row, expires_at=now + session_seconds)
            return row

    def count(self, tenant: TenantId, now: int) -> Iterator[int]:
        """See `SessionStore.count`: each session is a page."""
        return (int(row.is_live(now)) for (of, _), row in self.rows.items() if of == tenant)

    def delete(self, tenant: TenantId, session: SessionId, player: PlayerId | None = None) -> bool:
        """See `SessionStore.delete`."""
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or (player and row.player_id not in {None, player}):
                return False
            del self.rows[tenant, session]
            return True

    def forget(self, tenant: TenantId, session: SessionId, connections: Iterable[ConnectionKey]) -> None:
        """See `SessionStore.forget`."""
        with self.lock:
            if row := self.rows.get((tenant, session)):
                self.rows[tenant, session] = replace(row, connections=row.connections - set(connections))

    def forget_all(
        self, gone: Mapping[tuple[TenantId, SessionId], Collection[ConnectionKey]]
    ) -> set[tuple[TenantId, SessionId]]:
        """See `SessionStore.forget_all`."""
        for (tenant, session), connections in gone.items():
            self.forget(tenant, session, connections)
        return set()

    def expired(self, now: int) -> Iterator[list[tuple[TenantId, SessionId]]]:
        """See `SessionStore.expired`."""
        yield [key for key, row in self.rows.items() if not row.is_live(now)]

    def delete_if_expired(self, tenant: TenantId, session: SessionId, now: int) -> bool:
        """See `SessionStore.delete_if_expired`."""
        with self.lock:
            row = self.rows.get((tenant, session))
            if row is None or row.is_live(now):
                return False
            del self.rows[tenant, session]
            return True


class MemoryLimitStore(LimitStore):
    """Keeps totals in a dictionary, and what is counted in minutes in another; one lock makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[TenantId, TenantTotal] = {}
        self.minutes: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self._lock = Lock()

    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        """See `LimitStore.reserve`."""
        with self._lock:
            row = self.rows.get(tenant, TenantTotal())
            if row.count >= maximum:
                return False
            self.rows[tenant] = replace(row, count=row.count + 1, reserved=row.reserved + 1)
            return True

    def release(self, tenant: TenantId, connections: int) -> None:
        """See `LimitStore.release`."""
        with self._lock:
            if row := self.rows.get(tenant):
                self.rows[tenant] = replace(row, count=max(0, row.count - connections))

    def forget(self, tenant: TenantId) -> None:
        """See `LimitStore.forget`."""
        with self._lock:
            self.rows.pop(tenant, None)
            for of_minutes in (self.minutes, self.refused):
                for key in [key for key in of_minutes if key.startswith(f"{tenant}:")]:
                    del of_minutes[key]

    def total(self, tenant: TenantId) -> TenantTotal:
        """See `LimitStore.total`."""
        return self.rows.get(tenant, TenantTotal())

    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        """See `LimitStore.keep_inquiry`."""
        with self._lock:
            if row := self.rows.get(tenant):
                self.rows[tenant] = replace(row, inquiry=inquiry)

    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        """See `LimitStore.repair`."""
        with self._lock:
            row = self.rows.get(tenant)
            if row is None or row.count + difference < 0 or row.inquiry != seen:
                return False
            self.rows[tenant] = TenantTotal(row.count + difference, row.reserved)
            return True

    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:
        """See `LimitStore.count_in_minute`."""
        with self._lock:
            self.minutes[counter.key(now)] += times
            return self.minutes[counter.key(now)]

    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        """See `LimitStore.refuse_from`."""
        self.refused.setdefault(counter.key(now), sequence)

    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        """See `LimitStore.refused_from`."""
        return self.refused.get(counter.key(now))

    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        """See `LimitStore.take_in_minute`."""
        with self._lock:
            key = counter.key(now)
            if key in self.minutes and self.minutes[key] + amount > maximum:
                return False
            self.minutes[key] += amount
            return True
