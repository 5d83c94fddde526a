"""Invariants 4, 7, 8 and 9: chunks are fixed, every place of a chunk is accounted for, reports are the truth."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.broadcast import bitmaps
from loudhailer.broadcast.messages import (
    Announcement,
    ChunkMessage,
    OutcomeMessage,
    SourceMessage,
    message_from_wire,
)
from loudhailer.broadcast.packing import unpack
from loudhailer.connections.model import PROBE
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import ConnectionId, tenant_of
from tests.simulation.gateway import MOVED
from tests.simulation.system import TIMEOUTS
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from loudhailer.aws.rows import Item
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.queues import SimulatedMessage, SimulatedQueue
    from tests.simulation.streams import SimulatedRecord
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

GAPLESS = "7: chunks have no gaps, their keys ascend, and nobody is in two"
PLANNED = "4: every partition is in a source of each broadcast whose swarm read later"
FIXED = "7: a chunk stays as it was fixed"
EMPTY = "7: there is an empty chunk if and only if the source is complete"
PLACES = "8: each place of a chunk is in its tally, in a message, or its source is alive"
TALLY = "8: delivered, gone and failed are disjoint, and delivered only grows"
SETTLED = "8: what an outcome tells is in its tally"
ANSWERED = "8: delivered is what the gateway took"
GONE = "8: who is gone is not connected"
DELETED = "8: who counts as gone has no row"
CREDIT = "8: byAccount adds up to delivered"
REPORT = "9: inFlight >= 0, and finished is left by redrive alone"
ENDS = "9: a report comes to its end"
EXACT = "9: at rest a report is what its rows say"
OTHERS = "10: nobody hears what is not for them"
LATE = "9: nobody is sent a broadcast after the deadline that its publisher chose"
OVERLOOKED = "9: whoever was there all the time is in a chunk, or in a shortfall that the report shows"

LIFETIME_SECONDS = 300
"""Seconds after its publication for which a broadcast's frame is still posted."""

_LAG_SECONDS = 45.0
"""Seconds that an index may lag behind, and an environment's clock beside the others."""

_YOUNG_SECONDS = 45.0
"""Age up to which nobody believes that a connection is gone, and a few seconds for the clocks."""

type ChunkPlace = tuple[str, str]
"""A broadcast and the id of a chunk."""


@dataclass
class _Source:
    partitions: tuple[str, ...]
    complete: bool = False
    chunks: list[list[tuple[str, str]]] = field(default_factory=list)
    ended: bool = False


@dataclass
class _Broadcast:
    sources: dict[int, _Source] = field(default_factory=dict)
    recipients: set[tuple[str, str]] = field(default_factory=set)
    finished_at: float = float("inf")
    cancelled: bool = False
    deadline: float = float("inf")
    published_at: float = 0.0
    completed_at: float | None = None


@dataclass(slots=True)
class _Stay:
    """The lifetime of a row, and the time at which it joined its room, if it did."""

    row: "Item"
    since: float
    until: float = float("inf")
    in_room_since: float = float("inf")


class Broadcasts(Observer):
    """Keeps the chunks as they were fixed, and the messages that are on their way for each."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self.broadcasts: defaultdict[str, _Broadcast] = defaultdict(_Broadcast)
        self._on_its_way: defaultdict[ChunkPlace, dict[int, int]] = defaultdict(dict)
        self._told: defaultdict[ChunkPlace, dict[int, tuple[int, int]]] = defaultdict(dict)
        self._source_messages: defaultdict[tuple[str, int], set[int]] = defaultdict(set)
        self._announcements: defaultdict[str, set[int]] = defaultdict(set)
        self._frames: dict[str, str] = {}
        self._gone: set[str] = set()
        self._taken: defaultdict[str, set[str]] = defaultdict(set)
        self._stays: dict[tuple[str, str], _Stay] = {}
        self._rooms: defaultdict[str, set[str]] = defaultdict(set)
        self._opened: dict[str, float] = {}

    def was_there(self, row: "Item") -> None:
        """Note that it is there."""
        self._stays[row["partition"]["S"], row["connectionId"]["S"]] = _Stay(row, self.system.scheduler.now)

    def record_made(self, record: "SimulatedRecord") -> None:
        """Note the time in which each connection is open."""
        write = record.write
        if write.table != "connections" or write.key[1] == PROBE:
            return
        now = self.system.scheduler.now
        if write.new is None:
            self._stays[write.key].until = now
            return
        if write.old is None:
            self._stays[write.key] = _Stay(write.new, now)
        stay = self._stays[write.key]
        if write.new.get("roomKey") != stay.row.get("roomKey"):
            stay.in_room_since = now
        stay.row = write.new
        if "roomKey" in write.new:
            self._rooms[write.key[1]].add(write.new["roomKey"]["S"])

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check each row of a broadcast."""
        self._partitions_written(writes)
        ours = [write for write in writes if write.table == "broadcasts"]
        for write in ours:
            broadcast, _, _ = write.key[0].partition("#")
            kind, _, name = write.key[1].partition("#")
            match kind:
                case "summary" if write.new is not None:
                    self._summary_written(broadcast, write.old or {}, write.new, invocation)
                case "source" if write.new is not None:
                    self._source_written(broadcast, int(name), write.new)
                case "chunk":
                    self._chunk_written(broadcast, name, write.old, write.new, invocation)
                case "tally" if write.new is not None:
                    self._tally_written(broadcast, name, write.old, write.new)
        for write in ours:
            broadcast, _, _ = write.key[0].partition("#")
            kind, _, name = write.key[1].partition("#")
            if kind == "source" and write.new is not None:
                self._is_as_large_as_it_says(broadcast, int(name), write.new)
            if kind in {"chunk", "source"}:
                self._ends_with_an_empty_chunk(broadcast, int(name.partition(".")[0]))

    def message_sent(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """Note the messages that are on their way for a chunk, a source or a broadcast."""
        match self._read(queue, message):
            case ChunkMessage() as chunk:
                self._on_its_way[chunk.broadcast_id, chunk.chunk_id][message.number] = chunk.remaining
                self._frames[chunk.payload.open().decode()] = chunk.broadcast_id
            case OutcomeMessage() as outcome:
                places = outcome.delivered | outcome.gone | outcome.failed
                self._on_its_way[outcome.broadcast_id, outcome.chunk_id][message.number] = places
                self._told[outcome.broadcast_id, outcome.chunk_id][message.number] = outcome.delivered, outcome.gone
            case SourceMessage() as source:
                self._source_messages[source.broadcast_id, source.source].add(message.number)
            case Announcement() as announcement:
                if self._is_for_this_cell(announcement):
                    self._announcements[announcement.broadcast_id].add(message.number)
                self._frames[announcement.payload.open().decode()] = announcement.broadcast_id

    def message_gone(self, queue: "SimulatedQueue", message: "SimulatedMessage", why: str) -> None:
        """Check that a message on its way has arrived, or is replaced by another one."""
        match self._read(queue, message):
            case ChunkMessage() as chunk:
                place = (chunk.broadcast_id, chunk.chunk_id)
                del self._on_its_way[place][message.number]
                self._is_accounted_for(place, chunk.remaining, f"the chunk's message {message.number} is {why}")
            case OutcomeMessage() as outcome:
                place = (outcome.broadcast_id, outcome.chunk_id)
                places = self._on_its_way[place].pop(message.number)
                self._is_accounted_for(place, places, f"the outcome's message {message.number} is {why}")
                self._is_settled(place, *self._told[place].pop(message.number))
            case SourceMessage() as source:
                self._source_messages[source.broadcast_id, source.source].discard(message.number)
                self._source_is_accounted_for(source.broadcast_id, source.source, why)
            case Announcement() as announcement if self._is_for_this_cell(announcement):
                self._announcements[announcement.broadcast_id].discard(message.number)
                self._sources_are_accounted_for(announcement.broadcast_id, why)

    def _is_for_this_cell(self, announcement: Announcement) -> bool:
        """Tell whether the cell is named, or has announced it itself; others drop it."""
        name = self.system.name
        return not self.system.is_further or name in (announcement.cells or ()) or announcement.cells is None

    def opened(self, client: "SimulatedClient") -> None:
        """Check that nobody has believed it to be gone."""
        holds(
            that=client.connection not in self._gone,
            invariant=GONE,
            text=f"{client} was believed to be gone before its handshake was over",
        )

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """Note each broadcast that a client received."""
        if (broadcast := self._frames.get(frame)) is not None:
            self._taken[broadcast].add(client.connection)
            late = self.system.scheduler.now - self._deadline(broadcast)
            holds(that=late < _LAG_SECONDS, invariant=LATE, text=f"{client} gets {broadcast} {late:.0f} s too late")
            self._is_for(broadcast, client)

    def reported(self, broadcast: str, report: Any, begun: float) -> None:
        """Check a report against all earlier ones."""
        known = self.broadcasts[broadcast]
        holds(that=report["inFlight"] >= 0, invariant=REPORT, text=f"{broadcast} has inFlight {report['inFlight']}")
        finished = report["status"] == "finished"
        holds(
            that=finished or known.finished_at > begun,
            invariant=REPORT,
            text=f"{broadcast} was finished and is {report['status']}",
        )
        if finished and not report.get("silent"):  # a silent cell may speak again
            known.finished_at = min(known.finished_at, self.system.scheduler.now)
        if begun >= self.system.rests_since:
            self._is_exact(broadcast, report.get("byCell", {}).get(self.system.name, report))

    def redriven(self, broadcast: str) -> None:
        """Note that a report may be open again."""
        self.broadcasts[broadcast].finished_at = float("inf")

    def at_rest(self, *, healed: bool) -> None:
        """Check that every broadcast is at its end, and has overlooked nobody."""
        if healed:
            return
        for broadcast in list(self.broadcasts):
            self._is_over(broadcast)

    def is_cut_short(self, broadcast: str) -> bool:
        """Tell whether it did not go its whole way here, or the report shows a shortfall."""
        summary = self.system.tables.tables["broadcasts"].get((broadcast, "summary"))
        known = self.broadcasts.get(broadcast)
        if summary is None or known is None:
            return False
        rows = [summary, *(self._row(broadcast, number, f"source#{number}") or {} for number in known.sources)]
        marks = {"expired", "cutShort", "cancelled"}
        return not marks.isdisjoint(summary) or any(int(row["missed"]["N"]) for row in rows if "missed" in row)

    def served(self, broadcast: str) -> Iterator[int]:
        """Return the numbers of the clients that got it here, or are reported as failed."""
        clients = self.system.gateway.clients
        failed = {
            recipients[one][1]
            for number, source in self.broadcasts[broadcast].sources.items()
            for place, recipients in enumerate(source.chunks)
            if (tally := self._tally((broadcast, f"{number}.{place}"))) is not None
            for one in bitmaps.members(_bits(tally, "failed"))
        }
        return (clients[ConnectionId(one)].number for one in self._taken[broadcast] | failed if one in clients)

    def audience(self, summary: "Item", since: float, seconds: float) -> "Iterator[SimulatedClient]":
        """Return the clients in its audience that were there at that time, and so many seconds later or have moved."""
        audience = codec.decode(summary["audience"]["S"])
        for key, stay in sorted(self._stays.items()):
            client = self.system.gateway.clients.get(ConnectionId(key[1]))
            wanted = all(stay.row.get(name, {}).get("S") == value for name, value in audience.items() if name != "all")
            if client is None or not wanted or client.opened_at == 0.0 or max(stay.since, client.opened_at) > since:
                continue
            ends = min(stay.until, client.closed_at, float(stay.row["expiresAt"]["N"]))
            if ends < since or not self._is_in_its_session(stay.row, audience):
                continue
            if ends >= since + seconds or client.closed_by == MOVED:
                yield client

    def _deadline(self, broadcast: str) -> float:
        """The deadline that its publisher chose; the hub's summary has it."""
        hub = self.system.hub.watch.observers
        return next(one for one in hub if isinstance(one, Broadcasts)).broadcasts[broadcast].deadline

    def _is_for(self, broadcast: str, client: "SimulatedClient") -> None:
        """Check that a client that gets a broadcast is, or was, in its audience."""
        summary = self.system.tables.tables["broadcasts"].get((broadcast, "summary"))
        audience = {} if summary is None else codec.decode(summary["audience"]["S"])
        rooms = self._rooms[client.connection]
        is_meant = (
            audience.get("tenantId", client.tenant) == client.tenant
            and audience.get("roomKey") in {None, *rooms}
            and all(
                client.context.get(name) == audience[name] for name in ("playerId", "sessionId") if name in audience
            )
        )
        holds(that=is_meant, invariant=OTHERS, text=f"{client} gets {broadcast}, which is for {audience}")

    def _is_exact(self, broadcast: str, report: Any) -> None:
        """Check a report that was asked for when nothing was under way."""
        summary = self.system.tables.tables["broadcasts"].get((broadcast, "summary"))
        if summary is None or "sources" not in summary:
            return
        count = int(summary["sources"]["N"])
        missed = int(summary.get("missed", {"N": "0"})["N"])
        dispatched, by_account = 0, Counter[str]()
        sums = dict.fromkeys(("delivered", "gone", "failed"), 0)
        for number, source in self.broadcasts[broadcast].sources.items():
            if number >= count:
                continue
            row = self._row(broadcast, number, f"source#{number}") or {}
            missed += int(row.get("missed", {"N": "0"})["N"])
            for place, recipients in enumerate(source.chunks):
                dispatched += len(recipients)
                if (tally := self._tally((broadcast, f"{number}.{place}"))) is not None:
                    by_account.update(codec.decode(tally["byAccount"]["S"]))
                    sums = {name: counted + _bits(tally, name).bit_count() for name, counted in sums.items()}
        wanted = {
            **sums,
            "failed": sums["failed"] + missed,
            "dispatched": dispatched + missed,
            "inFlight": dispatched - sum(sums.values()),
            "expected": int(summary["expected"]["N"]) if "expected" in summary else None,
            "byAccount": dict(by_account),
            "cancelled": "cancelled" in summary,
            "expired": not {"expired", "cutShort"}.isdisjoint(summary),
        }
        found = {name: report[name] for name in wanted}
        holds(that=found == wanted, invariant=EXACT, text=f"the report of {broadcast} says {found}, the rows {wanted}")

    def _is_over(self, broadcast: str) -> None:
        """Check that a broadcast has ended here if the topic has taken it, as the hub knows."""
        in_hub, summary = (
            system.tables.tables["broadcasts"].get((broadcast, "summary")) for system in (self.system.hub, self.system)
        )
        if summary is None or in_hub is None or not in_hub["announced"]["BOOL"]:
            return
        holds(that="sources" in summary, invariant=ENDS, text=f"the sources of {broadcast} are not complete")
        known = self.broadcasts[broadcast]
        chosen = {number: source for number, source in known.sources.items() if number < int(summary["sources"]["N"])}
        for number, source in chosen.items():
            holds(that=source.complete, invariant=ENDS, text=f"source {number} of {broadcast} is not complete")
            for place, recipients in enumerate(source.chunks):
                unsettled = bitmaps.full(len(recipients)) & ~self._settled((broadcast, f"{number}.{place}"))
                holds(
                    that=not unsettled,
                    invariant=ENDS,
                    text=f"chunk {number}.{place} of {broadcast} lacks {unsettled:b}",
                )
        if known.cancelled or not {"expired", "cutShort"}.isdisjoint(summary):
            return
        missing = [key for key in self._present(summary, known) if key not in known.recipients]
        rows = [summary, *(self._row(broadcast, number, f"source#{number}") or {} for number in chosen)]
        missed = sum(int(row["missed"]["N"]) for row in rows if "missed" in row)
        holds(
            that=len(missing) <= missed,
            invariant=OVERLOOKED,
            text=f"{broadcast} overlooks {missing}, and reports that {missed} were missed",
        )

    def _present(self, summary: "Item", known: _Broadcast) -> Iterator[tuple[str, str]]:
        """Return the connections that were in the audience from before publication until all was dispatched."""
        audience = codec.decode(summary["audience"]["S"])
        until = known.completed_at
        for key, stay in sorted(self._stays.items()):
            lags = "roomKey" in audience
            since = stay.in_room_since if "roomKey" in audience else stay.since
            if until is None or since + (_LAG_SECONDS if lags else 0.0) > known.published_at or stay.until < until:
                continue
            if int(stay.row["expiresAt"]["N"]) <= until + _LAG_SECONDS:
                continue
            if all(
                stay.row.get(name, {}).get("S") == value for name, value in audience.items() if name != "all"
            ) and self._is_in_its_session(stay.row, audience):
                yield key

    def _is_in_its_session(self, row: "Item", audience: Any) -> bool:
        if "sessionId" not in audience:
            return True
        session = self.system.session(row["tenantId"]["S"], row["sessionId"]["S"])
        connection = row["connectionId"]["S"]
        return session is not None and any(
            element.endswith(f"#{connection}") for element in session.get("connectionIds", {"SS": ()})["SS"]
        )

    def _partitions_written(self, writes: "Sequence[Write]") -> None:
        for write in writes:
            if write.table == "partitions" and write.old is None:
                self._opened[write.key[1]] = self.system.scheduler.now
            elif write.table == "partitions" and write.new is None:
                del self._opened[write.key[1]]

    def _summary_written(
        self, broadcast: str, old: "Item", summary: "Item", invocation: "SimulatedInvocation | None"
    ) -> None:
        known = self.broadcasts[broadcast]
        known.cancelled = known.cancelled or "cancelled" in summary
        if "deadline" in summary:
            known.deadline = min(known.deadline, float(summary["endsAt"]["N"]))
        if not known.published_at:
            known.published_at = self.system.scheduler.now
            if "express" in summary and invocation is not None:
                # Its recipients were found before: it is for the clients that were connected when it was requested.
                known.published_at = invocation.begun
        if "sources" in summary and "sources" not in old:
            self._planned(broadcast, summary, invocation)

    def _planned(self, broadcast: str, summary: "Item", invocation: "SimulatedInvocation | None") -> None:
        """Check that the sources have all partitions that existed when their last swarm began."""
        audience = codec.decode(summary["audience"]["S"])
        is_by_partitions = audience.keys() <= {"all", "tenantId"}
        is_over = not {"cancelled", "cutShort"}.isdisjoint(summary)
        if invocation is None or invocation.function != "swarm" or is_over or not is_by_partitions:
            return
        begun = invocation.deadline - TIMEOUTS["swarm"]
        sources = [self.broadcasts[broadcast].sources[number] for number in range(int(summary["sources"]["N"]))]
        planned = {partition for source in sources for partition in source.partitions}
        unplanned = [
            partition
            for partition, at in self._opened.items()
            if at <= begun and partition not in planned and audience.get("tenantId") in {None, tenant_of(partition)}
        ]
        holds(that=not unplanned, invariant=PLANNED, text=f"{unplanned} are in no source of {broadcast}")

    def _source_written(self, broadcast: str, number: int, row: "Item") -> None:
        known = self.broadcasts[broadcast]
        scope = codec.decode(row["scope"]["S"]).get("partitions", [])
        source = known.sources.get(number)
        if source is None:
            source = known.sources[number] = _Source(tuple(scope))
            holds(
                that=number == 0 or number - 1 in known.sources,
                invariant=GAPLESS,
                text=f"source {number} of {broadcast} is fixed before the one in front of it",
            )
            others = {one for other, found in known.sources.items() if other != number for one in found.partitions}
            twice = sorted(others & set(scope))
            holds(that=not twice, invariant=GAPLESS, text=f"{twice} are in two sources of {broadcast}")
        holds(
            that=source.partitions == tuple(scope),
            invariant=FIXED,
            text=f"source {number} of {broadcast} gets other partitions",
        )
        source.complete = "dispatched" in row
        if source.complete:
            known.completed_at = self.system.scheduler.now

    def _is_as_large_as_it_says(self, broadcast: str, number: int, row: "Item") -> None:
        source = self.broadcasts[broadcast].sources[number]
        found = sum(map(len, source.chunks))
        holds(
            that=not source.complete or int(row["dispatched"]["N"]) == found,
            invariant=EMPTY,
            text=f"source {number} of {broadcast} has {found} recipients and says {row.get('dispatched')}",
        )

    def _chunk_written(
        self,
        broadcast: str,
        name: str,
        old: "Item | None",
        new: "Item | None",
        invocation: "SimulatedInvocation | None",
    ) -> None:
        number, place = (int(part) for part in name.split("."))
        source = self.broadcasts[broadcast].sources.get(number)
        holds(that=source is not None, invariant=GAPLESS, text=f"chunk {name} of {broadcast} has no source")
        if source is None:
            return
        if old is not None:
            is_end = not recipients_of(old)
            holds(
                that=old == new or (is_end and new is None and invocation is None),
                invariant=FIXED,
                text=f"chunk {name} of {broadcast} is changed",
            )
            source.ended = source.ended and new is not None
            return
        if new is None:
            return
        recipients = [
            (partition, connection) for partition, found in recipients_of(new).items() for connection in found
        ]
        holds(
            that=place == len(source.chunks) and not source.ended,
            invariant=GAPLESS,
            text=f"chunk {name} of {broadcast} is fixed behind {len(source.chunks)} others",
        )
        if not recipients:
            source.ended = True
            return
        last = [source.chunks[-1][-1]] if source.chunks else []
        keys = [*last, *recipients]
        holds(
            that=all(one < other for one, other in pairwise(keys)),
            invariant=GAPLESS,
            text=f"the keys of chunk {name} of {broadcast} do not ascend: {keys}",
        )
        everyone = self.broadcasts[broadcast].recipients
        twice = everyone.intersection(recipients)
        holds(that=not twice, invariant=GAPLESS, text=f"{sorted(twice)} are in two chunks of {broadcast}")
        everyone.update(recipients)
        source.chunks.append(recipients)

    def _ends_with_an_empty_chunk(self, broadcast: str, number: int) -> None:
        source = self.broadcasts[broadcast].sources.get(number)
        if source is not None:
            holds(
                that=source.complete == source.ended,
                invariant=EMPTY,
                text=f"source {number} of {broadcast}: complete {source.complete}, empty chunk {source.ended}",
            )

    def _tally_written(self, broadcast: str, name: str, old: "Item | None", new: "Item") -> None:
        number, place = (int(part) for part in name.split("."))
        source = self.broadcasts[broadcast].sources.get(number)
        known = source is not None and place < len(source.chunks)
        holds(that=known, invariant=TALLY, text=f"{broadcast} has a tally of {name}, and no such chunk")
        if source is None:
            return
        recipients = source.chunks[place]
        delivered, gone, failed = (_bits(new, field) for field in ("delivered", "gone", "failed"))
        holds(
            that=not (delivered & gone or delivered & failed or gone & failed),
            invariant=TALLY,
            text=f"the tally of {name} of {broadcast} has a connection twice",
        )
        before = 0 if old is None else _bits(old, "delivered")
        holds(that=not before & ~delivered, invariant=TALLY, text=f"{name} of {broadcast} takes back what it delivered")
        settled = 0 if old is None else before | _bits(old, "gone") | _bits(old, "failed")
        holds(
            that=not settled & ~(delivered | gone | failed),
            invariant=TALLY,
            text=f"the tally of {name} of {broadcast} forgets an outcome",
        )
        untrue = [
            recipients[one][1]
            for one in bitmaps.members(delivered & ~before)
            if recipients[one][1] not in self._taken[broadcast]
        ]
        holds(that=not untrue, invariant=ANSWERED, text=f"{untrue} never got {broadcast}, and count as delivered")
        before_gone = 0 if old is None else _bits(old, "gone")
        for one in bitmaps.members(gone & ~before_gone):
            self._gone.add(recipients[one][1])
            client = self.system.gateway.clients.get(ConnectionId(recipients[one][1]))
            is_open = client is not None and client.state == "open"
            holds(that=not is_open, invariant=GONE, text=f"{client} is gone for {broadcast}, and is connected")
            row = self.system.tables.tables["connections"].get(recipients[one])
            holds(
                that=row is None or int(row["connectedAt"]["N"]) > self.system.scheduler.now - _YOUNG_SECONDS,
                invariant=DELETED,
                text=f"{recipients[one]} counts as gone for {broadcast}, and has a row",
            )
        credit = sum(codec.decode(new["byAccount"]["S"]).values())
        holds(
            that=credit == delivered.bit_count(),
            invariant=CREDIT,
            text=f"{name} of {broadcast}: {credit} by account, {delivered.bit_count()} delivered",
        )

    def _read(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> Any:
        if queue.name in {"dead-letter", "dead-letter-fifo", "disconnect", "inbox", "pool", "inbox-failure"}:
            return None
        try:
            return message_from_wire(message.body)
        except MalformedMessageError:
            return None

    def _tally(self, place: ChunkPlace) -> "Item | None":
        return self._row(place[0], int(place[1].partition(".")[0]), f"tally#{place[1]}")

    def _row(self, broadcast: str, source: int, part: str) -> "Item | None":
        """The row of a source, or of one of its chunks."""
        table = self.system.tables.tables["broadcasts"]
        keys = int((table.get((broadcast, "summary")) or {}).get("keys", {"N": "1"})["N"])
        return table.get((broadcast if keys == 1 else f"{broadcast}#{source % keys}", part))

    def _settled(self, place: ChunkPlace) -> int:
        row = self._tally(place)
        return 0 if row is None else _bits(row, "delivered") | _bits(row, "gone") | _bits(row, "failed")

    def _is_settled(self, place: ChunkPlace, delivered: int, gone: int) -> None:
        """Check the content of a finished message, unless another one repeats it."""
        for other_delivered, other_gone in self._told[place].values():
            delivered, gone = delivered & ~other_delivered, gone & ~other_gone
        row = self._tally(place)
        counted, believed = (0, 0) if row is None else (_bits(row, "delivered"), _bits(row, "gone"))
        holds(
            that=not delivered & ~counted and not gone & ~counted & ~believed,
            invariant=SETTLED,
            text=f"{delivered:b} of chunk {place[1]} of {place[0]} are delivered, {gone:b} gone, and its tally has"
            f" {counted:b} and {believed:b}",
        )

    def _is_accounted_for(self, place: ChunkPlace, places: int, text: str) -> None:
        unsettled = places & ~self._settled(place)
        for other in self._on_its_way[place].values():
            unsettled &= ~other
        number = int(place[1].partition(".")[0])
        source = self.broadcasts[place[0]].sources.get(number)
        is_alive = source is not None and not source.complete and bool(self._source_messages[place[0], number])
        holds(
            that=not unsettled or is_alive,
            invariant=PLACES,
            text=f"{text}, and nothing is left of places {unsettled:b} of chunk {place[1]} of {place[0]}",
        )

    def _source_is_accounted_for(self, broadcast: str, number: int, why: str) -> None:
        source = self.broadcasts[broadcast].sources.get(number)
        if source is None or self._source_messages[broadcast, number]:
            return
        holds(
            that=source.complete,
            invariant=PLACES,
            text=f"the message of source {number} of {broadcast} is {why}, and the source is not complete",
        )
        for place, recipients in enumerate(source.chunks):
            self._is_accounted_for(
                (broadcast, f"{number}.{place}"),
                bitmaps.full(len(recipients)),
                f"the message of source {number} is {why}",
            )

    def _sources_are_accounted_for(self, broadcast: str, why: str) -> None:
        if self._announcements[broadcast]:
            return
        summary = self.system.tables.tables["broadcasts"].get((broadcast, "summary")) or {}
        holds(
            that="sources" in summary,
            invariant=PLACES,
            text=f"the announcement of {broadcast} is {why}, and its sources are not complete",
        )
        for number, source in self.broadcasts[broadcast].sources.items():
            if number < int(summary["sources"]["N"]):
                holds(
                    that=source.complete or bool(self._source_messages[broadcast, number]),
                    invariant=PLACES,
                    text=f"the announcement of {broadcast} is {why}, and source {number} has no message",
                )


def recipients_of(chunk: "Item") -> dict[str, list[str]]:
    """The connections of a chunk's row by partition, however it keeps them."""
    found: Any = unpack(chunk["packed"]["B"]) if "packed" in chunk else codec.decode(chunk["connections"]["B"])
    return dict(found)


def _bits(row: "Item", name: str) -> int:
    return int.from_bytes(row[name]["B"], "little")
