"""Invariants of every broadcast, whatever goes wrong: one checker for all faults.

- Every socket that stays open and reads gets every broadcast; more than once only where a retry explains it.
- The report adds up at every look. In the end nothing is in flight, and `delivered` is the truth: the number of sockets
  that got it. Two things blur it: a socket that left may have been posted to without having read it; and one whose post
  was never answered, and was then given up or answered with 410, has got it nevertheless. Nobody who posts can know the
  second: `delivered` is a lower bound then.
- The rows of connections that are gone are deleted, and no other; every count says what is true.
- Whatever was given up rests in the dead-letter queue, with its ids.
"""

import asyncio
import time
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from math import ceil
from typing import Any, Self

from functions.connections.reconcile.reconcile import QUIET_SECONDS
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.messages import Announcement, BroadcastMessage, ChunkMessage, SourceMessage, message_from_wire
from loudhailer.broadcast.model import Chunk, TallyKey
from loudhailer.connections.dynamodb import connection_to_item
from loudhailer.connections.model import CONNECTION_SECONDS, Connection, ConnectionKey
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import BroadcastId, ConnectionId, TenantId
from loudhailer.limits.dynamodb import DynamoLimitStore
from loudhailer.partitions.dynamodb import DynamoPartitionStore
from loudhailer.partitions.model import Sample
from tests.e2e.scene import Scene, SceneSession
from tests.support.broadcasts import chunks_of
from tools.client.crowd import Crowd, Member
from tools.client.socket import Departure
from tools.emulator.gateway.handshake import new_id
from tools.operations.received import Received, received

OUTCOMES = ("delivered", "gone", "failed", "inFlight")

_IN_A_SESSION = 25
"""Members of a session."""

_MINUTE = 60
_PATIENCE_SECONDS = 240.0
"""A message that was lost with its worker comes back after 30 s, and it may be lost five times."""

_COUNTED_SECONDS = 3.0
"""Whatever is on its way is counted after this long, as `reconcile` takes for granted after an hour and more."""

_POLL_SECONDS = 0.2


@dataclass
class Published:
    """A broadcast, the connections at its publication, and its last report."""

    broadcast_id: BroadcastId
    there: set[int]
    known: set[int]
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def finished(self) -> bool:
        """True if its report says so."""
        return self.report.get("status") == "finished"


class Invariants:
    """A tenant with a crowd of its own: use it as an async context manager, break what you like, then let it `hold`.

    Attributes:
        scene: the test's part of the system.
        tenant: the tenant.
        crowd: its sockets.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.tenant: TenantId = scene.tenant(tenant_connections=100_000)
        self.crowd = Crowd()
        self._published: dict[BroadcastId, Published] = {}
        self._session: SceneSession | None = None

    async def __aenter__(self) -> Self:
        self._watching = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching
        await self.scene.faults()
        await self.crowd.leave(self.crowd.members.values())

    @property
    def open(self) -> list[Member]:
        """Members that are connected."""
        return [member for member in self.crowd.members.values() if member.is_open]

    async def join(self, number: int) -> list[Member]:
        """Let as many sockets connect; their connections count as old, so that a 410 of theirs is believed.

        They are in several sessions. Each connect writes to its session's row in a transaction. Hundreds at the same
        moment would refuse one another, as in AWS.
        """
        sessions = [await self.scene.session(self.tenant) for _ in range(ceil(number / _IN_A_SESSION))]
        self._session = self._session or sessions[0]
        joined = await self.crowd.connect([session.url for session in islice(cycle(sessions), number)])
        members = [member for member in joined if isinstance(member, Member)]
        assert len(members) == number, joined
        await self.age()
        return members

    async def age(self) -> None:
        """Let all connections be a minute old."""
        for row in self._rows():
            with suppress(self.scene.system.dynamodb.exceptions.ConditionalCheckFailedException):
                self.scene.system.change_connection(row, connectedAt=int(time.time()) - _MINUTE)

    async def lose(self, members: Iterable[Member]) -> None:
        """Let members vanish without a `$disconnect`: their rows stay."""
        await self.scene.faults(drop_disconnect=1.0)
        await self.crowd.leave(members, Departure.RESET)
        await self._until(self._seen_to_leave, "the gateway has not seen them leave")
        await self.scene.faults()

    async def haunt(self, number: int) -> None:
        """Add rows of connections that vanished long ago to all partitions, counted like all others, and as old."""
        assert self._session is not None
        system, now = self.scene.system, int(time.time())
        partitions = cycle(system.deployment.partitions.of(self.tenant))
        keys = (ConnectionKey(next(partitions).partition, ConnectionId(new_id())) for _ in range(number))
        ghosts = [Connection(key, self._session.session, now - _MINUTE, now + CONNECTION_SECONDS) for key in keys]
        for first in range(0, number, 25):
            puts = [{"PutRequest": {"Item": connection_to_item(ghost)}} for ghost in ghosts[first : first + 25]]
            system.dynamodb.batch_write_item(RequestItems={system.table("connections"): puts})  # type: ignore[dict-item]
        system.dynamodb.update_item(
            TableName=system.table("limits"),
            Key={"key": {"S": self.tenant}},
            UpdateExpression="ADD itemCount :ghosts",
            ExpressionAttributeValues={":ghosts": {"N": str(number)}},
        )

    def announced(self) -> BroadcastId:
        """The id of a broadcast to the tenant that `publish` will publish; the present connections are to get it."""
        broadcast_id = BroadcastId(uuid.uuid4().hex)
        there = {member.number for member in self.open}
        self._published[broadcast_id] = Published(broadcast_id, there, set(self.crowd.members))
        return broadcast_id

    async def publish(self, message: Any = "hello", broadcast_id: BroadcastId | None = None) -> BroadcastId:
        """Publish a broadcast to the tenant, which takes the long way; its report is looked at again and again."""
        broadcast_id = broadcast_id or self.announced()
        await self.scene.api.publish({"tenantId": self.tenant}, message, broadcast_id, priority="bulk")
        return broadcast_id

    def got(self, broadcast_id: BroadcastId) -> int:
        """Return how many sockets have got the broadcast by now."""
        return len(self.crowd.reception(broadcast_id).counts)

    def report(self, broadcast_id: BroadcastId) -> Mapping[str, Any]:
        """Return the broadcast's last report."""
        return self._published[broadcast_id].report

    async def until(self, broadcast_id: BroadcastId, **facts: int | str) -> None:
        """Wait until the report says this."""

        async def says() -> bool:
            await self._look(self._published[broadcast_id])
            return facts.items() <= self.report(broadcast_id).items()

        await self._until(says, f"its report never had {facts}")

    async def settled(self) -> None:
        """Wait until every broadcast is finished, and nothing is left in a queue."""
        await self._until(
            lambda: all(published.finished for published in self._published.values()) and not self._in_queues(),
            "a broadcast is not finished, or a queue not empty",
        )

    async def hold(
        self,
        *,
        duplicates: int | None = 0,
        gone: int | None = 0,
        failed: int | None = 0,
        cancelled: Collection[BroadcastId] = (),
        repaired: bool = False,
    ) -> None:
        """Wait for the end of all that was published, and check everything.

        Args:
            duplicates: how many frames beyond the first retries may explain, of all broadcasts together; None if anyone
                may have been retried.
            gone: how many connections each broadcast found gone; None if that is not known.
            failed: how many recipients of each broadcast were given up; None if that is not known.
            cancelled: broadcasts that were ended by an operator; what they failed to reach was not given up.
            repaired: a worker was killed where only `reconcile` can repair a count: let its minutes pass.
        """
        await self.settled()
        await self._rows_are_those_of_open_sockets()
        await self._counts_are_true(repaired=repaired)
        await self._let_frames_arrive()
        letters = self._letters()
        for published in self._published.values():
            report, reception = published.report, self.crowd.reception(published.broadcast_id)
            is_open = {member.number for member in self.open}
            stayed, closed = published.there & is_open, set(self.crowd.members) - is_open
            ended = published.broadcast_id in cancelled
            assert report["inFlight"] == 0, report
            assert gone in (None, report["gone"]), report
            assert ended or failed in (None, report["failed"]), report
            assert ended or len(reception.missing(stayed)) <= report["failed"], (report, reception.missing(stayed))
            assert reception.strays(published.there) <= set(self.crowd.members) - published.known
            truth = set(reception.counts)
            assert len(truth - closed) - report["failed"] <= report["delivered"] <= len(truth | closed), (report, truth)
            assert ended or self._failed(published.broadcast_id) <= letters.get(published.broadcast_id, set())
        found = sum(self.crowd.reception(broadcast_id).duplicates for broadcast_id in self._published)
        assert duplicates is None or found <= duplicates, found

    async def _watch(self) -> None:
        """Look at the reports that are not finished, again and again: each of them adds up."""
        while True:
            for published in list(self._published.values()):
                if not published.finished:
                    await self._look(published)
            await asyncio.sleep(_POLL_SECONDS)

    async def _look(self, published: Published) -> None:
        broadcast_id = published.broadcast_id
        if self.scene.system.broadcasts.summary(broadcast_id) is None:
            return
        report = await self.scene.api.call("GET", f"/broadcast/{broadcast_id}")
        assert report["dispatched"] == sum(report[outcome] for outcome in OUTCOMES), report
        assert min(report[outcome] for outcome in OUTCOMES) >= 0, report
        assert report["delivered"] >= published.report.get("delivered", 0), (report, published.report)
        published.report = report

    async def _until(self, holds: Any, otherwise: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            if self._watching.done():
                self._watching.result()
            found = holds()
            if (await found) if asyncio.iscoroutine(found) else found:
                return
            assert time.monotonic() < deadline, f"after {_PATIENCE_SECONDS:.0f} s {otherwise}: {self._reports()}"
            await asyncio.sleep(_POLL_SECONDS)

    def _reports(self) -> list[Mapping[str, Any]]:
        return [published.report for published in self._published.values()]

    def _rows(self) -> list[dict[str, Any]]:
        return self.scene.system.connections_of(self.tenant)

    def _row_ids(self) -> set[str]:
        return {row["connectionId"]["S"] for row in self._rows()}

    async def _open_ids(self) -> set[str]:
        return set((await self.scene.gateway("connections"))["connection_ids"])

    async def _seen_to_leave(self) -> bool:
        return len(await self._open_ids() & self._row_ids()) == len(self.open)

    async def _rows_are_those_of_open_sockets(self) -> None:
        async def hold() -> bool:
            ids = self._row_ids()
            return len(ids) == len(self.open) and ids <= await self._open_ids()

        await self._until(hold, "the rows are not those of the open sockets")

    async def _counts_are_true(self, *, repaired: bool) -> None:
        async def hold() -> bool:
            agrees = self.scene.system.count(self.tenant).agrees_with(len(self.open))
            if repaired and not agrees:
                await asyncio.sleep(_COUNTED_SECONDS)
                self._let_a_minute_pass()
            return agrees

        await self._until(hold, f"the counts are not {len(self.open)}")

    def _let_a_minute_pass(self) -> None:
        """Let what `reconcile` has noted be a minute older, of counts as old as it must be, and let it look again."""
        system = self.scene.system
        partitions = DynamoPartitionStore(system.dynamodb, system.table("partitions"))
        for row in partitions.of(self.tenant):
            if (seen := row.sample) is not None:
                older = Sample(seen.count, seen.checkpoint, seen.at - QUIET_SECONDS)
                partitions.keep_sample(row.partition, older, recount=row.recount)
        limits = DynamoLimitStore(system.dynamodb, system.table("limits"), pause=time.sleep)
        inquiry = limits.total(self.tenant).inquiry
        limits.keep_inquiry(self.tenant, inquiry and inquiry._replace(at=inquiry.at - _MINUTE))
        answer = system.functions.invoke(FunctionName=system.deployment.functions["reconcile"], Qualifier="live")
        assert "FunctionError" not in answer, answer["Payload"].read()

    async def _let_frames_arrive(self) -> None:
        """Silence proves nothing: a last broadcast, which arrives after them, proves that no more will come."""
        last = await self.scene.broadcast({"tenantId": self.tenant}, "the last")
        assert await self.crowd.arrived(last, {member.number for member in self.open}, _PATIENCE_SECONDS)
        await self.scene.report(last)

    def _in_queues(self) -> int:
        """Return how many messages wait, are being handled, or are delayed, in all queues of the pipeline."""
        queues = [queue for queue in self.scene.system.deployment.queue_urls if queue != "dead-letter"]
        return self.scene.system.waiting(*queues, delayed=True)

    def _letters(self) -> dict[BroadcastId, set[ConnectionId]]:
        """The connections that the letters of these broadcasts name; the letters are taken out."""
        found: dict[BroadcastId, set[ConnectionId]] = {}
        for message in letters_of(self.scene, self._published):
            ids = set(self._named(message))
            found.setdefault(message.broadcast_id, set()).update(ids)
        return found

    def _named(self, message: BroadcastMessage) -> Iterator[ConnectionId]:
        match message:
            case ChunkMessage():
                ids = [connection for found in message.recipients.values() for connection in found]
                yield from (ids[place] for place in bitmaps.members(message.remaining))
            case SourceMessage():
                yield from self._recipients(message.broadcast_id, message.source)
            case Announcement():
                for source in self.scene.system.broadcasts.sources(message.broadcast_id):
                    yield from self._recipients(message.broadcast_id, source.number)

    def _recipients(self, broadcast_id: BroadcastId, source: int) -> Iterator[ConnectionId]:
        for chunk in chunks_of(self.scene.system.broadcasts, source, broadcast_id):
            yield from recipients(chunk)

    def _failed(self, broadcast_id: BroadcastId) -> set[ConnectionId]:
        """The connections that the report counts as failed."""
        store = self.scene.system.broadcasts
        failed: set[ConnectionId] = set()
        for source in store.sources(broadcast_id):
            for chunk in chunks_of(store, source.number, broadcast_id):
                key = TallyKey(broadcast_id, chunk.chunk_id)
                for tally in store.tallies_of([key]).values():
                    failed.update(recipients(chunk)[place] for place in bitmaps.members(tally.failed))
        return failed


def recipients(chunk: Chunk) -> list[ConnectionId]:
    """A chunk's connections, in the order of its bitmaps."""
    return [connection for found in chunk.recipients.values() for connection in found]


def letters_of(scene: Scene, broadcasts: Collection[BroadcastId], *, take: bool = True) -> list[BroadcastMessage]:
    """Return the dead letters of some broadcasts; taken out of the queue, or kept there."""
    found = dict[str, BroadcastMessage]()
    others = dict[str, Received]()
    for letter in received(scene.system.sqs, scene.system.queue("dead-letter")):
        message = None
        with suppress(MalformedMessageError):
            message = message_from_wire(letter.body)
        if message is not None and message.broadcast_id in broadcasts:
            found[letter.message_id] = message
            if take:
                letter.delete()
                continue
        others[letter.message_id] = letter
    for letter in others.values():
        letter.put_back()
    return list(found.values())
