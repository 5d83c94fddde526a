"""The functions of channels on twins of their tables, with a clock that a test moves."""

from collections.abc import Callable
from concurrent.futures import Executor
from random import Random
from typing import Any

from functions.channels.leave_channels import leave_channels
from functions.channels.subscribe import subscribe
from loudhailer import codec, ids
from loudhailer.channels.model import SubscriberKey
from loudhailer.connections.model import Connection, ConnectionKey
from loudhailer.deadline import Deadline
from loudhailer.ids import ConnectionId, Partition, Pattern, SessionId, TenantId
from loudhailer.limits.new_channels import NewChannels
from loudhailer.partitions.assignment import PartitionAssigner
from loudhailer.queues.consumer import Failures
from loudhailer.sessions.grants import Grants
from loudhailer.websocket.caller import Caller
from tests.support.executors import AtOnce
from tests.support.fakes.channels import MemoryMemberStore, MemoryRecipientStore, MemorySubscriptionStore
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.queues import MemoryQueue

NOW = 1_780_000_000
ACME = TenantId("acme")
KEY = ConnectionKey(Partition("acme#00003"), ConnectionId("a="))
SUBSCRIBER = SubscriberKey.of(KEY)
NEWS, SPORT = Pattern("news/*"), Pattern("sport")
EVERYTHING = Grants.from_wire({f"{first}/*": "sp" for first in ("news", "a", "chat")} | {"sport": "s", "other": "s"})

type Through = Callable[[Any], Any]


class ChannelFixture:
    """One connection of the tenant acme; each call of a store goes through `through`."""

    def __init__(
        self,
        *,
        grants: Grants = EVERYTHING,
        limit: int = 100,
        through: Through = lambda store: store,
        modules: tuple[Any, Any] = (subscribe, leave_channels),
        executors: Callable[[], Executor] = AtOnce,
    ) -> None:
        self.now = float(NOW)
        self.connections, self.subscriptions = MemoryConnectionStore(), MemorySubscriptionStore()
        self.members, self.partitions, self.limits = MemoryMemberStore(), MemoryPartitionStore(), MemoryLimitStore()
        self.queue = MemoryQueue()
        self.grants, self.limit, self.tenant_per_minute = grants, limit, 50
        self._through, self._executors = through, executors
        self._subscribe, self._leave_channels = modules
        self.connect(KEY)

    def connect(self, key: ConnectionKey) -> None:
        """A client that connected ten minutes ago."""
        at = int(self.now) - 600
        self.connections.rows[key] = Connection(key, SessionId("s1"), at, at + 7_500)

    def caller(self, key: ConnectionKey = KEY) -> Caller:
        """The sender of a frame."""
        return Caller(
            tenant_id=ACME,
            session_id=SessionId("s1"),
            key=key,
            session_seconds=300,
            messages_per_minute=60,
            posts_per_minute=600,
            request_id="r=1",
            received_at=NOW * 1_000,
            tenant_per_minute=self.tenant_per_minute,
            channels_per_connection=self.limit,
            grants=self.grants,
        )

    def function(self, *, enabled: bool = True, capacity: int = 1_000) -> Any:
        """A fresh environment of `subscribe`."""
        partitions = PartitionAssigner(
            self._through(self.partitions),
            executor=self._executors(),
            capacity=capacity,
            maximum=10,
            clock=lambda: self.now,
            random=Random(1),  # noqa: S311  # a test repeats itself
        )
        stores = self._subscribe.ChannelStores(
            connections=self._through(self.connections),
            subscriptions=self._through(self.subscriptions),
            members=self._through(self.members),
            partitions=partitions,
        )
        return self._subscribe.Subscribe(
            stores,
            NewChannels(self.limits, clock=lambda: self.now),
            self._through(self.queue),
            executor=self._executors(),
            clock=lambda: self.now,
            enabled=enabled,
        )

    def frame(self, action: str, *channels: Any, function: Any = None, key: ConnectionKey = KEY) -> Any:
        """The answer to a frame: the code of each channel's error, or None; the whole frame if it is refused."""
        answer = codec.decode(
            (function or self.function())(self.caller(key), {"action": action, "channels": channels and [*channels]})
        )
        if "results" not in answer:
            return answer["error"]["code"]
        assert answer["type"] == f"{action}d"
        return {one["channel"]: one.get("error", {}).get("code") for one in answer["results"]}

    def leave(self, *bodies: str, seconds: float = 10.0) -> Failures:
        """Have `leave_channels` handle a batch; messages are named 0, 1, ..."""
        leave: leave_channels.LeaveChannels = self._leave_channels.LeaveChannels(
            self._through(self.subscriptions),
            self._through(self.members),
            self._through(MemoryRecipientStore(self.members)),
            self._through(self.connections),
            self._through(self.queue),
            clock=lambda: self.now,
        )
        deadline = Deadline(self.now + seconds, lambda: self.now)
        return leave({str(place): body for place, body in enumerate(bodies)}, deadline=deadline)

    def members_of(self, pattern: str) -> list[str]:
        """The connections that are members of a pattern."""
        prefix = ids.channel_key(ACME, Pattern(pattern)) + "#"
        return sorted(key.connection_id for key in self.members.rows if key.partition.startswith(prefix))
