"""Messages of the queue `leave`: subscriptions that end.

| body | says |
|---|---|
| `{"v":1,"left":{"subscriber","eras":{pattern:era}}}` | unsubscribed from these, a while ago |
| `{"v":1,"ended":[subscriber,...],"last":bool}` | the connections' rows are gone; sent twice, the second time `last` |
| `{"v":1,"gone":["{partition} {connectionId}",...]}` | API Gateway does not know these members' connections |
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loudhailer import codec, ids
from loudhailer.channels.model import SubscriberKey, Subscription
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import InvalidFieldError, MalformedMessageError
from loudhailer.ids import Pattern

VERSION = 1

CONNECTIONS_A_MESSAGE = 100
"""Most connections that a message names: with the longest keys it has 46 KB."""


@dataclass(frozen=True, slots=True)
class Left:
    """Patterns that a connection has unsubscribed from, with the eras of its subscriptions."""

    subscriber: SubscriberKey
    eras: Mapping[Pattern, str]

    @classmethod
    def of(cls, subscriptions: Sequence[Subscription]) -> "Left":
        """The message for subscriptions of one connection."""
        return cls(subscriptions[0].subscriber, {one.pattern: one.era for one in subscriptions})

    def to_wire(self) -> str:
        """The message's body."""
        return _body({"left": {"subscriber": self.subscriber.key, "eras": dict(self.eras)}})


@dataclass(frozen=True, slots=True)
class Ended:
    """Connections whose rows are gone; `is_last`: no function is at work any more that has found them."""

    subscribers: Sequence[SubscriberKey]
    is_last: bool

    def to_wire(self) -> str:
        """The message's body."""
        return _body({"ended": [one.key for one in self.subscribers], "last": self.is_last})


@dataclass(frozen=True, slots=True)
class Gone:
    """Members whose connections API Gateway does not know any more."""

    members: Sequence[ConnectionKey]

    def to_wire(self) -> str:
        """The message's body."""
        return _body({"gone": [f"{key.partition} {key.connection_id}" for key in self.members]})


type Leaving = Left | Ended | Gone


def _body(wire: dict[str, Any]) -> str:
    return codec.encode_text({"v": VERSION, **wire})


def from_wire(body: str) -> Leaving:
    """Read a message; MalformedMessageError for anything else."""
    try:
        wire = codec.decode_object(body)
        if wire.get("v") != VERSION:
            raise MalformedMessageError("the message is of another version")
        match wire:
            case {"left": {"subscriber": subscriber, "eras": dict(eras)}}:
                return Left(
                    SubscriberKey.of_key(subscriber), {Pattern(pattern): str(era) for pattern, era in eras.items()}
                )
            case {"ended": list(ended), "last": bool(is_last)}:
                return Ended([SubscriberKey.of_key(key) for key in ended], is_last)
            case {"gone": list(gone)}:
                return Gone(list(map(_member, gone)))
    except (codec.NotJsonError, InvalidFieldError) as error:
        raise MalformedMessageError(f"not a message of leaving: {error}") from error
    raise MalformedMessageError("a message of leaving has one of left, ended, gone")


def _member(text: object) -> ConnectionKey:
    partition, _, connection = text.partition(" ") if isinstance(text, str) else ("", "", "")
    return ConnectionKey(ids.recipients_partition(partition), ids.connection_id(connection))
