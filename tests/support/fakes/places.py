"""The in-memory twin of the table of places."""

from collections.abc import Collection
from threading import Lock
from typing import override

from loudhailer.ids import TenantId
from loudhailer.limits.places.port import PlaceStore


class MemoryPlaceStore(PlaceStore):
    """Keeps the taken places and the times of counting in dictionaries; one lock makes each change whole."""

    def __init__(self) -> None:
        self.taken: dict[tuple[TenantId, str], int] = {}
        self._counted_at: dict[tuple[TenantId, str], int] = {}
        self._lock = Lock()

    @override
    def take(self, tenant: TenantId, name: str, maximum: int, *, expires_at: int) -> bool:  # no TTL here
        with self._lock:
            if self.taken.get((tenant, name), 0) >= maximum:
                return False
            self.taken[tenant, name] = self.taken.get((tenant, name), 0) + 1
            return True

    @override
    def claim_count(self, tenant: TenantId, name: str, *, now: int, every: int) -> int | None:
        with self._lock:
            key = (tenant, name)
            if key not in self.taken or self._counted_at.get(key, now - every) > now - every:
                return None
            self._counted_at[key] = now
            return self.taken[key]

    @override
    def correct(self, tenant: TenantId, name: str, *, seen: int, counted: int) -> None:
        with self._lock:
            if self.taken.get((tenant, name)) == seen:
                self.taken[tenant, name] = counted

    @override
    def names(self, tenant: TenantId) -> list[str]:
        return [name for of, name in self.taken if of == tenant]

    @override
    def delete(self, tenant: TenantId, names: Collection[str]) -> None:
        with self._lock:
            for name in names:
                self.taken.pop((tenant, name), None)
                self._counted_at.pop((tenant, name), None)
