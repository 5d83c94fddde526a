"""Invariants 15 to 18: an acknowledged subscription has a member, which gets messages; both end with the connection."""

import json
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.ids import BroadcastId, Channel, ChunkId, Pattern, TenantId, channel_key, patterns_of
from tests.simulation.watch import Observer, holds
from tests.support.dynamodb.engine import EngineClient

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loudhailer.aws.rows import Item
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.queues import SimulatedMessage, SimulatedQueue
    from tests.simulation.streams import SimulatedRecord
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

ACKNOWLEDGED = "15: an acknowledged subscription has its member until it is left or the connection ends"
OWNED = "16: at rest each member has its subscription, of the same era, and each subscription its connection"
REACHED = "18: an acknowledged subscription is a recipient of every later broadcast to its channels"
TWICE = "18: a connection is a recipient once in each source of a broadcast to a channel"
COUNTED = "17: at rest each audience's count is the number of its members"


class Channels(Observer):
    """Looks at all members when nothing is under way."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._subscribed: dict[tuple[str, str], SimulatedClient] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._published: dict[str, tuple[float, TenantId, Channel]] = {}
        self._left: set[tuple[str, str]] = set()
        self._is_in_doubt = False
        self._is_lost = False

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """Note what is acknowledged. A frame that unsubscribes may be at work from the moment in which it is sent."""
        if not frame.startswith('{"type":"subscribed"'):
            return
        for result in json.loads(frame)["results"]:
            if "error" not in result:
                self._subscribed[client.connection, result["channel"]] = client
                self._since.setdefault((client.connection, result["channel"]), self.system.scheduler.now)

    def sent(self, client: "SimulatedClient", frame: "Mapping[str, Any]") -> None:
        """Note what a client unsubscribes from."""
        if frame["action"] == "unsubscribe":
            self._left |= {(client.connection, channel) for channel in frame["channels"]}

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Note when a broadcast to a channel was requested."""
        for write in writes:
            if write.table != "broadcasts" or write.key[1] != "summary" or write.old is not None or write.new is None:
                continue
            audience = codec.decode(write.new["audience"]["S"])
            if "channel" in audience and invocation is not None:
                name = TenantId(audience["tenantId"]), Channel(audience["channel"])
                self._published[write.key[0]] = (invocation.begun, *name)

    def record_over(self, function: str, record: "SimulatedRecord", *, given_up: bool) -> None:
        """Note what is given up: then members stay until they expire, or counts are repaired."""
        del record
        self._is_lost |= given_up and function == "presence"
        self._is_in_doubt |= given_up and function == "accounting-members"

    def message_gone(self, queue: "SimulatedQueue", message: "SimulatedMessage", why: str) -> None:
        """Note that an end was given up."""
        del message
        self._is_lost |= queue.name == "leave" and why != "deleted"

    def at_rest(self, *, healed: bool) -> None:
        """Check all members, all counts, and the recipients of broadcasts."""
        if not self._is_lost:
            self._check_rows()
        if healed or not self._is_in_doubt:
            self._check_counts()
        for (connection, channel), client in self._subscribed.items():
            self._check_acknowledged(connection, channel, client)
        if not healed:
            self._check_reached()

    def _check_rows(self) -> None:
        tables = self.system.tables.tables
        for partition, members in tables["members"].rows.items():
            for connection, member in members.items():
                self._check_member(partition, connection, member)
        for subscriber, subscriptions in tables["subscriptions"].rows.items():
            for channel, subscription in subscriptions.items():
                self._check_subscription(subscriber, channel, subscription)

    def _check_counts(self) -> None:
        tables = self.system.tables.tables
        for audience, found in tables["audiences"].rows.items():
            for partition, row in found.items():
                counted, rows = int(row["connectionCount"]["N"]), len(tables["members"].rows.get(partition, ()))
                holds(
                    that="recount" in row or counted == rows,
                    invariant=COUNTED,
                    text=f"{partition} of {audience} has a count of {counted} and {rows} members",
                )

    def _check_reached(self) -> None:
        """Check the recipients of broadcasts that were searched to their end."""
        client: Any = EngineClient(self.system.tables.carry_out)
        store = DynamoBroadcastStore(client, "broadcasts", clock=self.system.scheduler.time)
        for name, (begun, tenant, channel) in self._published.items():
            summary = store.summary(BroadcastId(name))
            if summary is None or summary.sources is None or summary.cancelled or summary.cut_short or summary.expired:
                continue
            found: set[str] = set()
            for source in store.sources(summary.broadcast_id)[: summary.sources]:
                of_source: list[str] = []
                for number in range(1_000):
                    chunk = store.chunk(summary.broadcast_id, ChunkId(f"{source.number}.{number}"))
                    if chunk is None or not chunk.size:
                        break
                    of_source += chain.from_iterable(chunk.recipients.values())
                found.update(of_source)
                twice = [connection for connection, times in Counter(of_source).items() if times > 1]
                holds(that=not twice, invariant=TWICE, text=f"source {source.number} of {name} has {twice} twice")
            for (connection, pattern), since in self._since.items():
                client_of = self._subscribed[connection, pattern]
                is_meant = client_of.tenant == tenant and pattern in patterns_of(channel) and since < begun
                if is_meant and client_of.state == "open" and (connection, pattern) not in self._left:
                    holds(
                        that=connection in found,
                        invariant=REACHED,
                        text=f"{connection} has the acknowledgement of {pattern}, and {name} is not for it",
                    )

    def _is_over(self, row: "Item") -> bool:
        """Tell whether a row has expired: DynamoDB deletes it some time, in any order."""
        return int(row["expiresAt"]["N"]) <= self.system.scheduler.now

    def _check_member(self, partition: str, connection: str, member: "Item") -> None:
        tenant, pattern, _ = partition.split("#")
        subscription = self.system.tables.tables["subscriptions"].get((f"{tenant}#{connection}", pattern))
        has_it = subscription is not None and "gone" not in subscription and subscription["era"] == member["era"]
        holds(
            that=has_it or self._is_over(member),
            invariant=OWNED,
            text=f"{connection} is a member in {partition}, and its subscription is {subscription}",
        )

    def _check_subscription(self, subscriber: str, channel: str, subscription: "Item") -> None:
        home, connection = subscription["home"]["S"], subscriber.partition("#")[2]
        is_there = self.system.tables.tables["connections"].get((home, connection)) is not None
        holds(
            that=is_there or self._is_over(subscription),
            invariant=OWNED,
            text=f"{connection} is subscribed to {channel}, and has no row in {home}",
        )

    def _check_acknowledged(self, connection: str, channel: str, client: "SimulatedClient") -> None:
        tables = self.system.tables.tables
        row = tables["connections"].get((client.context["partition"], connection))
        if (connection, channel) in self._left or row is None or self._is_over(row):
            return
        prefix = f"{channel_key(TenantId(client.context['tenantId']), Pattern(channel))}#"
        holds(
            that=any(connection in found for key, found in tables["members"].rows.items() if key.startswith(prefix)),
            invariant=ACKNOWLEDGED,
            text=f"{connection} has the acknowledgement of {channel}, and is no member",
        )
