"""The in-memory twin of the table of lanes."""

from collections.abc import Mapping
from threading import Lock
from typing import override

from loudhailer.delivery.lending.port import LaneStore


class MemoryLaneStore(LaneStore):
    """Keeps the marks in a dictionary."""

    def __init__(self) -> None:
        self._marks: dict[str, int] = {}
        self._lock = Lock()

    @override
    def mark(self, kind: str, at: int) -> None:
        with self._lock:
            self._marks[kind] = at

    @override
    def marks(self) -> Mapping[str, int]:
        with self._lock:
            return dict(self._marks)
