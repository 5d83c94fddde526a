"""A broadcast is ended: the chunks that wait are replaced, and nobody else's are harmed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.model import Summary, Tally, TallyKey
from loudhailer.broadcast.report import Report, summed
from loudhailer.cells.model import Lease
from loudhailer.errors import TransientError
from loudhailer.ids import HUB, BroadcastId, CellName
from tests.support.broadcasts import (
    BROADCAST,
    LIFETIME,
    NORTH,
    NOW,
    SOUTH,
    chunk,
    chunk_message,
    outcome,
    source,
    summary,
)
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.unit.tools.queues import DeploymentStandIn
from tools.errors import OperatorError
from tools.operations import cancelling
from tools.operations import received as received_module
from tools.operations.received import received as received_from

SIZE = 3
SHARD = "shard-0"
DELIVERED = 0b010
REST = 0b101
WAITING = replace(chunk_message(SIZE), remaining=REST)


class Passing:
    """A clock whose pauses are over at once; at one of them something happens."""

    def __init__(self, at: int, happens: Callable[[], object]) -> None:
        self._now = 0.0
        self._left = at
        self._happens = happens

    def time(self) -> float:
        """The time of day."""
        return NOW + self._now

    def monotonic(self) -> float:
        """The time."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds
        self._left -= 1
        if not self._left:
            self._happens()


@pytest.fixture
def deployment() -> DeploymentStandIn:
    """A broadcast of one chunk, of which a part was delivered and the rest waits in a shard."""
    return waiting(DeploymentStandIn(), summary())


@pytest.fixture
def three_cells() -> DeploymentStandIn:
    """The same on the hub and on north; the broadcast is not for south, which is alive as north is."""
    return over_cells(NORTH)


def over_cells(*cells: CellName) -> DeploymentStandIn:
    """The same on the hub and on these cells of north and south."""
    own = replace(summary(), ends_at=NOW + LIFETIME)
    hub = waiting(DeploymentStandIn(), replace(own, cells=dict.fromkeys(cells, SIZE)))
    hub.cells = {NORTH: DeploymentStandIn(), SOUTH: DeploymentStandIn()}
    for cell in cells:
        waiting(hub.cells[cell], replace(own, announced=True))
    for cell in hub.cells:
        hub.directory.leases[cell] = Lease(at=NOW, is_well=True, websocket_url="", connections=SIZE, tenant_revision=1)
    return hub


def waiting(made: DeploymentStandIn, head: Summary) -> DeploymentStandIn:
    """Give a cell a broadcast, of which a part was delivered and the rest waits in a shard."""
    made.broadcasts.record(head)
    made.broadcasts.fix_sources(BROADCAST, [source()])
    made.broadcasts.complete_sources(BROADCAST, 1, SIZE, NOW * 1000)
    made.broadcasts.fix_chunk(BROADCAST, chunk(size=SIZE))
    made.broadcasts.complete_source(BROADCAST, 0, chunks=1, dispatched=SIZE, now=NOW * 1000)
    made.broadcasts.replace_tally(TallyKey(BROADCAST, WAITING.chunk_id), None, tally())
    made.sqs.send(SHARD, WAITING.to_wire())
    return made


def tally() -> Tally:
    """Return what became of the chunk before the broadcast was cancelled."""
    return Tally(size=SIZE).after(outcome(SIZE, delivered=DELIVERED), NOW * 1000)


def cancel(
    deployment: DeploymentStandIn,
    monkeypatch: pytest.MonkeyPatch,
    *,
    broadcast_id: BroadcastId = BROADCAST,
    settled_after: int = 1,
) -> list[Report]:
    """The reports that are shown, to the last one; the cancelled chunk is settled after so many looks."""

    def settle() -> None:
        key = TallyKey(BROADCAST, WAITING.chunk_id)
        for name, cell in [(HUB, deployment), *deployment.cells.items()]:
            if not cell.sqs.bodies(SHARD):
                continue
            cell.broadcasts.replace_tally(key, tally(), tally().after(outcome(SIZE, failed=REST), NOW * 1000))
            report = summed(cell.broadcasts, BROADCAST)
            if report is not None and name != HUB:
                deployment.snapshots.put(BROADCAST, name, 1, report[1])

    shown: list[Report] = []
    monkeypatch.setattr(cancelling, "time", Passing(settled_after, settle))
    stand_in: Any = deployment
    assert cancelling.cancel(stand_in, broadcast_id, shown.append) == shown[-1]
    return shown


def test_a_waiting_chunk_is_replaced_by_a_cancelled_one(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps what remains of it; the report is followed to its end."""
    first, last = cancel(deployment, monkeypatch)
    assert (first.status, first.cancelled, first.in_flight) == ("delivering", True, 2)
    assert (last.status, last.cancelled, last.delivered, last.failed) == ("finished", True, 1, 2)
    (waiting,) = deployment.sqs.bodies(SHARD)
    assert ChunkMessage.from_wire(waiting) == replace(WAITING, cancelled=True, expires_at=0)


def test_other_messages_are_put_back_after_any_number_of_receives(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQS gives up what was received too often: the looks of `cancel` must not count."""
    others = [replace(WAITING, broadcast_id=BroadcastId("another")).to_wire(), "not a chunk"]
    deployment.sqs.send(SHARD, *others)
    cancel(deployment, monkeypatch, settled_after=20)
    assert deployment.sqs.given_up == []
    assert sorted(deployment.sqs.bodies(SHARD)) == sorted([*others, replace(WAITING, cancelled=True).to_wire()])


def test_a_message_that_was_held_for_too_long_is_not_copied(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker may have it already, and its copy would be posted as well."""
    other = replace(WAITING, broadcast_id=BroadcastId("another")).to_wire()
    deployment.sqs.send(SHARD, other)
    deployment.sqs.queues[SHARD][-1].times = 1
    monkeypatch.setattr(received_module, "_HELD_SECONDS", 0)
    sent: list[str] = []
    monkeypatch.setattr(deployment.sqs, "send", lambda _, *bodies, **_named: sent.extend(bodies))
    cancel(deployment, monkeypatch)
    assert other not in sent
    assert other in deployment.sqs.bodies(SHARD)


def test_every_shard_is_searched_to_its_end(deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where there are more messages than one call brings."""
    deployment.sqs.send("shard-1", *[WAITING.to_wire()] * 25)
    cancel(deployment, monkeypatch)
    assert deployment.sqs.bodies("shard-1") == [replace(WAITING, cancelled=True).to_wire()] * 25


@pytest.mark.parametrize("queue", ["rooms", "express"])
def test_a_chunk_in_lanes_of_its_own_can_be_cancelled(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    """It waits in another queue than broadcasts do, and stays there, in its tenant's group."""
    recorded = deployment.broadcasts.summary(BROADCAST)
    assert recorded is not None
    found = replace(recorded, express=queue == "express")
    monkeypatch.setattr(deployment.broadcasts, "summary", lambda _: found)
    deployment.sqs.send(queue, replace(WAITING, group="acme").to_wire(), group="acme")
    cancel(deployment, monkeypatch)
    assert deployment.sqs.bodies(queue) == [replace(WAITING, cancelled=True, group="acme").to_wire()]
    assert deployment.sqs.groups(queue) == ["acme"]


def test_the_queue_of_small_broadcasts_is_left_alone_for_a_large_one(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others' small broadcasts would wait while it is looked through."""
    looked: list[str] = []

    def received(_: object, url: str) -> Iterator[object]:
        looked.append(url)
        return iter(())

    monkeypatch.setattr(cancelling, "received", received)
    cancel(deployment, monkeypatch)
    assert "express" not in looked
    assert SHARD in looked


def test_an_unknown_broadcast_is_refused(deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is changed."""
    with pytest.raises(OperatorError, match="There is no broadcast unknown"):
        cancel(deployment, monkeypatch, broadcast_id=BroadcastId("unknown"))
    assert deployment.sqs.bodies(SHARD) == [WAITING.to_wire()]


def test_a_broadcast_that_does_not_end_is_reported(
    deployment: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that hangs is waited for, but not for ever; the mark stays."""
    with pytest.raises(OperatorError, match="still in flight after 120 s"):
        cancel(deployment, monkeypatch, settled_after=10_000)
    recorded = deployment.broadcasts.summary(BROADCAST)
    assert recorded is not None
    assert recorded.cancelled


def test_a_broadcast_is_cancelled_on_every_cell_that_it_is_for(
    three_cells: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The report is that of all of them; a cell that it is not for hears nothing of it."""
    last = cancel(three_cells, monkeypatch)[-1]
    assert (last.status, last.cancelled, last.delivered, last.failed) == ("finished", True, 2, 4)
    assert {name: part.cancelled for name, part in last.by_cell.items()} == {HUB: True, NORTH: True}
    for cell in (three_cells, three_cells.cells[NORTH]):
        assert cell.sqs.bodies(SHARD) == [replace(WAITING, cancelled=True).to_wire()]
    assert three_cells.cells[SOUTH].broadcasts.summary(BROADCAST) is None


def test_a_cell_that_has_not_heard_of_the_broadcast_gets_its_summary_with_the_mark(
    three_cells: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So its `swarm` ends it when the announcement comes."""
    north = three_cells.cells[NORTH] = DeploymentStandIn()
    with pytest.raises(OperatorError, match="north does not answer"):
        cancel(three_cells, monkeypatch)
    assert north.broadcasts.summary(BROADCAST) == replace(
        summary(), announced=True, ends_at=NOW + LIFETIME, cancelled=True
    )


def test_every_cell_is_marked_before_a_chunk_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of chunks take a minute, in which a cell without the mark would find and post on."""
    three = over_cells(NORTH, SOUTH)
    marked: list[list[bool]] = []

    def received(client: Any, url: str) -> Iterator[Any]:
        heads = [cell.broadcasts.summary(BROADCAST) for cell in (three, *three.cells.values())]
        marked.append([head is not None and head.cancelled for head in heads])
        return received_from(client, url)

    monkeypatch.setattr(cancelling, "received", received)
    assert cancel(three, monkeypatch)[-1].status == "finished"
    assert marked[0] == [True] * 3


def test_a_cell_that_hangs_keeps_no_other_from_being_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answers only after the other one was asked, so they must be asked side by side."""
    three = over_cells(NORTH, SOUTH)
    asked = {cell: Event() for cell in three.cells}

    def hang(store: MemoryBroadcastStore, own: Event, other: Event) -> None:
        find = store.summary

        def summary_when_both_are_asked(broadcast_id: BroadcastId) -> Summary | None:
            own.set()
            if not other.wait(5):
                pytest.fail("the other cell waits for this one")
            return find(broadcast_id)

        monkeypatch.setattr(store, "summary", summary_when_both_are_asked)

    hang(three.cells[NORTH].broadcasts, asked[NORTH], asked[SOUTH])
    hang(three.cells[SOUTH].broadcasts, asked[SOUTH], asked[NORTH])
    assert cancel(three, monkeypatch)[-1].status == "finished"


def test_a_refused_call_does_not_give_a_cell_up(
    three_cells: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call among thousands may be throttled; the cell is marked as soon as it answers."""
    north = three_cells.cells[NORTH]
    mark, refused = north.broadcasts.cancel, iter([True] * 3)

    def throttled(broadcast_id: BroadcastId) -> bool:
        if next(refused, False):
            raise TransientError("throttled")
        return mark(broadcast_id)

    monkeypatch.setattr(north.broadcasts, "cancel", throttled)
    cancel(three_cells, monkeypatch)
    recorded = north.broadcasts.summary(BROADCAST)
    assert recorded is not None
    assert recorded.cancelled


@pytest.mark.parametrize("is_reached", [True, False])
def test_a_cell_that_does_not_answer_is_named(
    three_cells: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch, *, is_reached: bool
) -> None:
    """Its lease is over, or its table cannot be reached; all the others end at once."""
    north = three_cells.cells[NORTH]
    north.sqs.queues.clear()
    if is_reached:
        del three_cells.directory.leases[NORTH]
    else:

        def fail(_: BroadcastId) -> None:
            raise TransientError("north is down")

        monkeypatch.setattr(north.broadcasts, "summary", fail)
    with pytest.raises(OperatorError, match=r"The broadcast is cancelled, but north does not answer\."):
        cancel(three_cells, monkeypatch)
    assert three_cells.sqs.bodies(SHARD) == [replace(WAITING, cancelled=True).to_wire()]


def test_a_cell_that_was_taken_out_is_passed_over(
    three_cells: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command ends when the others have; the report still says what is missing."""
    del three_cells.cells[NORTH]
    last = cancel(three_cells, monkeypatch)[-1]
    assert (last.by_cell[HUB].status, last.waiting_for) == ("finished", (NORTH,))


def test_the_hubs_own_trouble_is_an_error(three_cells: DeploymentStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command fails, and does not say that the broadcast is cancelled."""

    def fail(*_: object) -> Iterator[object]:
        raise TransientError("SQS is down")

    monkeypatch.setattr(cancelling, "received", fail)
    with pytest.raises(TransientError):
        cancel(three_cells, monkeypatch)
