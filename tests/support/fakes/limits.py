"""In-memory twin of the store of totals and counters."""

from collections import Counter
from dataclasses import replace
from threading import Lock
from typing import override

from loudhailer.ids import TenantId
from loudhailer.limits.model import Inquiry, MinuteCounter, TenantTotal
from loudhailer.limits.port import LimitStore


class MemoryLimitStore(LimitStore):
    """Keeps totals in a dictionary, and the counts of minutes in another; one lock makes each change whole."""

    def __init__(self) -> None:
        self.rows: dict[TenantId, TenantTotal] = {}
        self.minutes: Counter[str] = Counter()
        self.refused: dict[str, str] = {}
        self._lock = Lock()

    @override
    def reserve(self, tenant: TenantId, maximum: int) -> bool:
        with self._lock:
            row = self.rows.get(tenant, TenantTotal())
            if row.count >= maximum:
                return False
            self.rows[tenant] = replace(row, count=row.count + 1, reserved=row.reserved + 1)
            return True

    @override
    def release(self, tenant: TenantId, connections: int) -> None:
        with self._lock:
            if row := self.rows.get(tenant):
                self.rows[tenant] = replace(row, count=max(0, row.count - connections))

    @override
    def forget(self, tenant: TenantId) -> None:
        with self._lock:
            self.rows.pop(tenant, None)
            for of_minutes in (self.minutes, self.refused):
                for key in [key for key in of_minutes if key.startswith(f"{tenant}:")]:
                    del of_minutes[key]

    @override
    def total(self, tenant: TenantId) -> TenantTotal:
        return self.rows.get(tenant, TenantTotal())

    @override
    def keep_inquiry(self, tenant: TenantId, inquiry: Inquiry | None) -> None:
        with self._lock:
            if row := self.rows.get(tenant):
                self.rows[tenant] = replace(row, inquiry=inquiry)

    @override
    def repair(self, tenant: TenantId, difference: int, *, seen: Inquiry) -> bool:
        with self._lock:
            row = self.rows.get(tenant)
            if row is None or row.count + difference < 0 or row.inquiry != seen:
                return False
            self.rows[tenant] = TenantTotal(row.count + difference, row.reserved)
            return True

    @override
    def count_in_minute(self, counter: MinuteCounter, now: int, times: int = 1) -> int:
        with self._lock:
            self.minutes[counter.key(now)] += times
            return self.minutes[counter.key(now)]

    @override
    def refuse_from(self, counter: MinuteCounter, now: int, sequence: str) -> None:
        self.refused.setdefault(counter.key(now), sequence)

    @override
    def refused_from(self, counter: MinuteCounter, now: int) -> str | None:
        return self.refused.get(counter.key(now))

    @override
    def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
        with self._lock:
            key = counter.key(now)
            if key in self.minutes and self.minutes[key] + amount > maximum:
                return False
            self.minutes[key] += amount
            return True
