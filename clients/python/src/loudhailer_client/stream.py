"""The order of a channel."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from loudhailer_client.errors import LoudhailerError
from loudhailer_client.times import REMEMBERED, Recent

type Message = dict[str, Any]


class StreamHooks(Protocol):
    """Needs of a stream: the client."""

    def is_ordered(self, name: str) -> bool:
        """Tell whether the application wants messages in order."""

    def bound(self, name: str) -> int:
        """Return how many messages a recovery may bring."""

    def emit_on(self, name: str, event: str, value: Any) -> None:
        """Hand an event on to the channel, and to patterns that match it."""

    def report_on(self, name: str, error: LoudhailerError) -> None:
        """Report an error on the same."""

    def recover(self, stream: "Stream", *, is_spread: bool) -> None:
        """Ask for what was missed."""


def is_offset(value: object) -> bool:
    """Tell whether a value of a frame can be an offset, or 0."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


class Stream:
    """One channel's messages: by offset, each once; a gap is recovered, or reported. Without history each id once.

    Attributes:
        name: the channel.
        epoch: the epoch of its position; None while it has none.
        next: the offset that is handed on next.
        is_pending: the answer to a `subscribe` is under way.
        is_recovering: a recovery waits, or is under way.
        is_over: the channel was left.
    """

    def __init__(self, name: str, gap: float, hooks: StreamHooks) -> None:
        self.name = name
        self.epoch: str | None = None
        self.next = 1
        self.is_pending = False
        self.is_recovering = False
        self.is_over = False
        self._gap = gap
        self._hooks = hooks
        self._former: str | None = None  # the epoch before this one: its late messages are dropped
        self._last = 0  # the greatest offset that is known
        self._held: dict[int, Message] = {}  # messages behind a gap
        self._seen: set[int] = set()  # offsets that a later message has replaced
        self._waiting: list[Message] = []  # messages of an epoch that the next answer tells
        self._ids = Recent()
        self._timer: asyncio.TimerHandle | None = None
        self._was_full = False

    @property
    def since(self) -> dict[str, Any]:
        """The position of the last message that was handed on."""
        return {"epoch": self.epoch, "offset": self.next - 1}

    @property
    def bound(self) -> int:
        """Messages that a recovery may bring."""
        return self._hooks.bound(self.name)

    def take(self, message: Message) -> None:
        """Hand on a message, hold it, or drop it."""
        offset = message.get("offset")
        if offset is None or not self._hooks.is_ordered(self.name):
            if self._ids.add(message["id"]):
                self._hooks.emit_on(self.name, "message", message)
        elif message["epoch"] != self.epoch:
            self._take_other(message)
        else:
            self._last = max(self._last, offset)
            replaces = message.get("replaces")
            if isinstance(replaces, list):
                self._seen.update(each for each in replaces if is_offset(each) and self.next <= each < offset)
            if offset == self.next or (offset > self.next and self._has_room(len(self._held))):
                self._held[offset] = message
            self._hand_on()

    def _has_room(self, size: int) -> bool:
        self._was_full = self._was_full or size >= REMEMBERED
        return size < REMEMBERED

    def _take_other(self, message: Message) -> None:
        if message["epoch"] == self._former:
            return
        if self.is_pending or self.is_recovering:
            if self._has_room(len(self._waiting)):
                self._waiting.append(message)
            return
        is_first = self.epoch is None
        self._begin(message["epoch"], message["offset"])
        if not is_first:
            self._unrecovered()
        self.take(message)

    def _begin(self, epoch: str, first: int) -> None:
        if epoch != self.epoch:
            self._former = self.epoch
            self._held.clear()
        self._seen.clear()
        self.epoch = epoch
        self.next = first
        self._last = max(first - 1, *self._held, 0)

    def _hand_on(self) -> None:
        while self.next in self._held or self.next in self._seen:
            message = self._held.pop(self.next, None)
            self.next += 1
            if message is not None:
                self._hooks.emit_on(self.name, "message", message)
        if self.next > self._last:
            self._held.clear()
            self._seen.clear()
        elif self._timer is None and not self.is_over:
            self._timer = asyncio.get_running_loop().call_later(self._gap, self._is_late)

    def _is_late(self) -> None:
        self._timer = None
        if self.next <= self._last and not self.is_pending:
            self._hooks.recover(self, is_spread=False)

    def subscribed(self, answer: Mapping[str, Any], messages: Sequence[Message]) -> None:
        """Take in the answer to a `subscribe`, with its messages."""
        self.is_pending = False
        epoch, offset, must_recover = answer.get("epoch"), answer.get("offset"), bool(answer.get("recover"))
        if not isinstance(epoch, str) or not isinstance(offset, int) or not is_offset(offset):
            self._hooks.recover(self, is_spread=True)  # as on a further cell: the hub has the position
        elif self.epoch is None:
            first = offset + (0 if must_recover else 1)
            self._begin(epoch, messages[0].get("offset", first) if messages else first)
            self._complete(messages, offset, must_recover=must_recover)
        elif answer.get("recovered") is False or epoch != self.epoch:
            self.lose(epoch, offset)
        else:
            self._complete(messages, offset, must_recover=must_recover)

    def _complete(self, messages: Sequence[Message], last: int, *, must_recover: bool) -> None:
        for message in messages:
            self.take(message)
        self._last = max(last, self.next - 1, *self._held, 0)
        if must_recover and self.next <= last:
            self._hooks.recover(self, is_spread=True)
        self._settle()

    def complete(self, messages: Sequence[Message], epoch: str, last: int) -> None:
        """Hand on what was recovered."""
        self.is_recovering = False
        if self.epoch is None:
            self._begin(epoch, last + 1)
        self._complete(messages, last, must_recover=False)

    def lose(self, epoch: str, last: int) -> None:
        """Begin behind a position; what came before it is missed."""
        self.is_recovering = False
        self._begin(epoch, last + 1)
        self._unrecovered()
        self._settle()

    def give_up(self, error: LoudhailerError) -> None:
        """Begin with the first message that has come since: nothing can be recovered."""
        self.is_recovering = False
        self.report(error)
        if self.epoch is not None:
            self.next = min(self._held, default=self._last + 1)
            self._unrecovered()
        self._waiting.sort(key=lambda message: int(message["offset"]))
        self._settle()

    def abandon(self) -> None:
        """Leave a recovery alone that came too late."""
        self.is_recovering = False
        self._settle()

    def refused(self) -> None:
        """Wait for no answer: the subscription was refused for good."""
        self.is_pending = False
        self._settle()

    def report(self, error: LoudhailerError) -> None:
        """Report an error on the channel."""
        self._hooks.report_on(self.name, error)

    def _settle(self) -> None:
        waiting, self._waiting = self._waiting, []
        for message in waiting:
            self.take(message)
        if self.epoch is not None:
            self._hand_on()
        if self._was_full:
            self._was_full = False
            self._hooks.recover(self, is_spread=False)

    def _unrecovered(self) -> None:
        self._hooks.emit_on(self.name, "unrecovered", {"channel": self.name, **self.since})

    def end(self) -> None:
        """Forget the channel."""
        if self._timer is not None:
            self._timer.cancel()
        self.is_over = True
