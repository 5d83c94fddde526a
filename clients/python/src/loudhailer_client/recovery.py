"""Recovery of missed messages, by pages of a channel's history."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from loudhailer_client.errors import LoudhailerError
from loudhailer_client.stream import Message, Stream, is_offset
from loudhailer_client.times import Times, delay_of

_PAGE = 100
_MESSAGES = 10_000
_CHARACTERS = 16 * 1024 * 1024
_LONGEST_SECONDS = 120.0
_UNAUTHORIZED = 401


class History(Protocol):
    """The service's histories."""

    async def get(self, channel: str, what: str, query: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return the JSON of what belongs to a channel, and the length of its text."""


@dataclass(eq=False)
class _Entry:
    """A stream that is to be recovered; `begun` by the loop's clock."""

    stream: Stream
    begun: float
    attempt: int = 0


class Recovery:
    """Recovers one stream after the other; one that fails waits for another try, and holds up nobody."""

    def __init__(self, history: History, times: Times) -> None:
        self._history = history
        self._times = times
        self._loop = asyncio.get_running_loop()
        self._queue: deque[_Entry] = deque()
        self._timers: set[asyncio.TimerHandle] = set()
        self._task: asyncio.Task[None] | None = None

    @property
    def _is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def add(self, stream: Stream, *, is_spread: bool) -> None:
        """Recover a stream; `is_spread` lets clients that come back at once ask at different moments."""
        if not stream.is_recovering and not stream.is_over:
            stream.is_recovering = True
            spread = self._times.random() * self._times.spread if is_spread and not self._is_running else 0
            self._wait(_Entry(stream, self._loop.time()), spread)

    def end(self) -> None:
        """Recover nothing more."""
        self._queue.clear()
        for timer in self._timers:
            timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _wait(self, entry: _Entry, delay: float) -> None:
        def due() -> None:
            self._timers.discard(timer)
            self._enter(entry)

        if delay == 0:
            self._enter(entry)
        else:
            timer = self._loop.call_later(delay, due)
            self._timers.add(timer)

    def _enter(self, entry: _Entry) -> None:
        self._queue.append(entry)
        if not self._is_running:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        while self._queue:
            await self._recover(self._queue.popleft())

    async def _recover(self, entry: _Entry) -> None:
        stream, epoch = entry.stream, entry.stream.epoch
        try:
            page, messages = await self._pages(stream, epoch)
        except LoudhailerError as error:
            self._failed(entry, epoch, error)
            return
        if stream.is_over:
            return
        if stream.epoch != epoch:
            stream.abandon()
        elif messages is None:
            stream.lose(page["epoch"], page["last"])
        else:
            stream.complete(messages, page["epoch"], page["last"])

    def _failed(self, entry: _Entry, epoch: str | None, error: LoudhailerError) -> None:
        stream = entry.stream
        delay = delay_of(error, lambda: self._times.backoff(entry.attempt))
        is_late = self._loop.time() + delay > entry.begun + _LONGEST_SECONDS
        if stream.is_over:
            return
        if (not error.fatal or error.status == _UNAUTHORIZED) and not is_late:
            if entry.attempt == 0:
                stream.report(error)
            entry.attempt += 1
            self._wait(entry, delay)
        elif stream.epoch == epoch:
            stream.give_up(error)
        else:
            stream.abandon()

    async def _pages(self, stream: Stream, epoch: str | None) -> tuple[dict[str, Any], list[Message] | None]:
        """Keep the pages until the last one has come: whole, or not at all."""
        messages: list[Message] = []
        after = stream.next - 1
        characters = 0
        while True:
            query = {"limit": 0} if epoch is None else {"epoch": epoch, "after": after, "limit": _PAGE}
            page, length = await self._history.get(stream.name, "messages", query)
            found = _messages_of(page, after, epoch)
            messages += found
            after += len(found)
            characters += length
            is_bounded = len(messages) <= min(stream.bound, _MESSAGES) and characters <= _CHARACTERS
            if not page.get("recovered") or not is_bounded:
                return page, None
            if not page.get("more") or stream.is_over:
                return page, messages


def _messages_of(page: Mapping[str, Any], after: int, known: str | None) -> list[Message]:
    """Return the messages of a page of this epoch behind `after`; LoudhailerError if it is no such page."""
    is_recovered, epoch, messages = page.get("recovered"), page.get("epoch"), page.get("messages", [])
    is_whole = (
        isinstance(messages, list)
        and all(
            isinstance(message, dict) and (message.get("offset"), message.get("epoch")) == (after + number, epoch)
            for number, message in enumerate(messages, start=1)
        )
        and (bool(messages) or not page.get("more"))
        and known in {None, epoch}
    )
    if not isinstance(epoch, str) or not is_offset(page.get("last")) or (is_recovered and not is_whole):
        text = json.dumps(page)[:200]
        raise LoudhailerError("MALFORMED_ANSWER", f"the service has answered no page of a history: {text}", fatal=True)
    return messages if is_recovered else []
