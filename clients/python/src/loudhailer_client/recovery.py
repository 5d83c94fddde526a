"""Recovery of missed messages, by pages of a channel's history."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Protocol

from loudhailer_client.errors import LoudhailerError
from loudhailer_client.stream import Message, Stream, is_offset
from loudhailer_client.times import Times, delay_of

_PAGE = 100
_MESSAGES = 10_000
_CHARACTERS = 16 * 1024 * 1024
_UNAUTHORIZED = 401


class History(Protocol):
    """The service's histories."""

    async def get(self, channel: str, what: str, query: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return the JSON of what belongs to a channel, and the length of its text."""


class Recovery:
    """Recovers one stream after the other."""

    def __init__(self, history: History, times: Times) -> None:
        self._history = history
        self._times = times
        self._queue: deque[Stream] = deque()
        self._task: asyncio.Task[None] | None = None

    def add(self, stream: Stream, *, is_spread: bool) -> None:
        """Recover a stream; `is_spread` lets clients that come back at once ask at different moments."""
        if not stream.is_recovering and not stream.is_over:
            stream.is_recovering = True
            self._queue.append(stream)
            if self._task is None or self._task.done():
                self._task = asyncio.get_running_loop().create_task(self._run(is_spread=is_spread))

    def end(self) -> None:
        """Recover nothing more."""
        self._queue.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self, *, is_spread: bool) -> None:
        if is_spread:
            await asyncio.sleep(self._times.random() * self._times.spread)
        while self._queue:
            await self._recover(self._queue.popleft())

    async def _recover(self, stream: Stream) -> None:
        """Keep the pages until the last one has come: whole, or not at all."""
        epoch = stream.epoch
        messages: list[Message] = []
        after = stream.next - 1
        characters = attempt = 0
        while True:
            try:
                query = {"limit": 0} if epoch is None else {"epoch": epoch, "after": after, "limit": _PAGE}
                page, length = await self._history.get(stream.name, "messages", query)
                found = _messages_of(page, after, epoch)
            except LoudhailerError as error:
                if stream.is_over:
                    return
                if error.fatal and error.status != _UNAUTHORIZED:
                    stream.give_up(error)
                    return
                delay = delay_of(error, lambda number=attempt: self._times.backoff(number))  # type: ignore[misc]
                attempt += 1
                await asyncio.sleep(delay)
                continue
            if stream.is_over:
                return
            attempt = 0
            messages += found
            after += len(found)
            characters += length
            is_bounded = len(messages) <= min(stream.bound, _MESSAGES) and characters <= _CHARACTERS
            if not page.get("recovered") or not is_bounded:
                stream.lose(page["epoch"], page["last"])
                return
            if not page.get("more"):
                stream.complete(messages, page["epoch"], page["last"])
                return


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
