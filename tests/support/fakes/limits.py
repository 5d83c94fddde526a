"""In-memory twin of the store of totals and counters."""

from collections import Counter
from dataclasses import replace
from threading import Lock

from loudhailer.ids import TenantId
from loudhailer.limits.model import Inquiry, MinuteCounter, TenantTotal
from loudhailer.limits.port import LimitStore


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
