"""Channels and the room, as an application holds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from loudhailer_client.events import Emitter


@dataclass(frozen=True)
class Recover:
    """A bound of a recovery.

    Attributes:
        messages: how many messages a recovery may bring, 10,000 at most.
    """

    messages: int


@dataclass(frozen=True, kw_only=True)
class ChannelOptions:
    """Wishes of a subscription.

    Attributes:
        recover: hand messages on in order, and recover gaps.
        since: `last` to begin with the last message, which comes at once.
        nickname: the name that other members see.
    """

    recover: bool | Recover = False
    since: Literal["last"] | None = None
    nickname: str | None = None


class Owner(Protocol):
    """Needs of channels and rooms: the client."""

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send a frame until it is answered."""

    async def get(self, channel: str, what: str, query: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """Return the JSON of what belongs to a channel, and the length of its text."""

    def left(self, channel: "Channel") -> None:
        """Unsubscribe."""


class Channel(Emitter):
    """A subscription to a channel, or with `news/*` to all below a prefix.

    Its events are `message`, `presence`, `unrecovered`, `subscribed` and `error`. Each but the last has a frame's JSON.
    """

    def __init__(self, owner: Owner, parent: Emitter, name: str, options: ChannelOptions) -> None:
        super().__init__(parent)
        self._owner = owner
        self.name = name
        self.options = options

    async def publish(self, data: object) -> dict[str, Any]:
        """Publish JSON; return `{id, offset?, epoch?}` once the service has accepted it."""
        return await self._owner.ask({"action": "publish", "channel": self.name, "data": data})

    async def members(self, *, limit: int | None = None, next: str | None = None) -> dict[str, Any]:  # noqa: A002
        """Return a page of the members, `{count, members, next?}`; `next` of one page asks for the next one."""
        page, _ = await self._owner.get(self.name, "presence", {"limit": limit, "next": next})
        return page

    def leave(self) -> None:
        """Unsubscribe; no handler of this channel is called again."""
        self.forget()
        self._owner.left(self)


class Room(Emitter):
    """The room that the connection is in. Its events are `message`, `joined`, `left` and `error`."""

    def __init__(self, owner: Owner, parent: Emitter, key: str, nickname: str) -> None:
        super().__init__(parent)
        self._owner = owner
        self.key = key
        self.nickname = nickname

    async def say(self, content: object) -> dict[str, Any]:
        """Say JSON to everyone in the room; return `{messageId}` once the service has accepted it."""
        return await self._owner.ask({"action": "sendmessage", "roomKey": self.key, "content": content})
