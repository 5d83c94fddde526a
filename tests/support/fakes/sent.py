"""In-memory twin of the store of messages that clients may send again."""

from dataclasses import dataclass
from threading import Lock
from typing import override

from loudhailer.websocket.sent.model import ATTEMPT_SECONDS, REMEMBERED_SECONDS, Attempt, Progress, Sent
from loudhailer.websocket.sent.port import SentStore


@dataclass
class _Row:
    first: Attempt
    taken_until: int | None
    forgotten_at: int


class MemorySentStore(SentStore):
    """Keeps the messages in a dictionary."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._lock = Lock()

    @override
    def begin(self, attempt: Attempt, *, now: int) -> Sent:
        with self._lock:
            row = self._rows.get(attempt.key)
            if row is None or row.forgotten_at <= now:
                row = self._rows[attempt.key] = _Row(attempt, now + ATTEMPT_SECONDS, now + REMEMBERED_SECONDS)
                return self._sent(row, Progress.OPEN)
            if row.taken_until is None:
                return self._sent(row, Progress.ACCEPTED)
            if row.first.request_id == attempt.request_id:
                return self._sent(row, Progress.OPEN)
            if row.taken_until > now or row.first.content_hash != attempt.content_hash:
                return self._sent(row, Progress.IN_PROGRESS)
            row.taken_until = now + ATTEMPT_SECONDS
            return self._sent(row, Progress.OPEN)

    @override
    def release(self, attempt: Attempt) -> None:
        with self._lock:
            if (row := self._rows.get(attempt.key)) is not None and row.taken_until is not None:
                row.taken_until = 0

    @override
    def finish(self, attempt: Attempt) -> None:
        with self._lock:
            if (row := self._rows.get(attempt.key)) is not None:
                row.taken_until = None

    @staticmethod
    def _sent(row: _Row, progress: Progress) -> Sent:
        return Sent(progress, row.first.content_hash, row.first.request_id, row.first.received_at)
