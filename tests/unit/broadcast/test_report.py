"""Tallies and the report."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from loudhailer.broadcast.messages import OutcomeMessage
from loudhailer.broadcast.model import Tally, TallyKey
from loudhailer.broadcast.report import Report, summarise
from loudhailer.ids import ChunkId
from tests.support.broadcasts import (
    ACCOUNT,
    BROADCAST,
    NOW,
    OTHER_ACCOUNT,
    chunk,
    outcome,
    outcomes,
    report_of,
    source,
    summary,
)
from tests.support.fakes.broadcast import MemoryBroadcastStore

SIZE = 12
NOW_MS = NOW * 1000


def tally_of(found: Sequence[OutcomeMessage]) -> Tally:
    """The tally after the outcomes in their order, a millisecond apart."""
    return reduce(lambda tally, timed: tally.after(timed[1], NOW_MS + timed[0]), enumerate(found), Tally(size=SIZE))


def sets_of(tally: Tally) -> tuple[int, int, int]:
    """The three bitmaps."""
    return tally.delivered, tally.gone, tally.failed


several = st.lists(outcomes(SIZE), max_size=6)


@given(several, st.randoms())
def test_the_order_of_outcomes_does_not_matter(found: list[OutcomeMessage], random: object) -> None:
    """Any order gives the same three sets."""
    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis' strategy gives a random.Random
    assert sets_of(tally_of(shuffled)) == sets_of(tally_of(found))


@given(several.filter(bool), st.data())
def test_a_repeated_outcome_changes_nothing(found: list[OutcomeMessage], data: st.DataObject) -> None:
    """The very same tally is returned, so that nothing is written."""
    tally = tally_of(found)
    assert tally.after(data.draw(st.sampled_from(found)), NOW_MS + 60_000) is tally


@given(several)
def test_delivered_wins_over_gone_and_gone_over_failed(found: list[OutcomeMessage]) -> None:
    """Each connection is in one set at most: the best that any attempt came to."""
    tally = tally_of(found)
    delivered = gone = failed = 0
    for one in found:
        delivered, gone, failed = delivered | one.delivered, gone | one.gone, failed | one.failed
    assert sets_of(tally) == (delivered, gone & ~delivered, failed & ~delivered & ~gone)


@given(several)
def test_every_delivery_is_credited_to_one_account(found: list[OutcomeMessage]) -> None:
    """The accounts' credits add up to the deliveries."""
    tally = tally_of(found)
    assert sum(tally.by_account.values()) == tally.delivered.bit_count()
    assert all(tally.by_account.values())


def test_the_account_that_is_settled_first_gets_the_credit() -> None:
    """A second delivery to the same connection is not counted."""
    tally = tally_of([outcome(SIZE, delivered=0b011), outcome(SIZE, delivered=0b110, account=OTHER_ACCOUNT)])
    assert tally.by_account == {ACCOUNT: 2, OTHER_ACCOUNT: 1}


def test_a_tally_is_settled_when_it_last_changed() -> None:
    """A clock that goes back does not take the time back."""
    tally = Tally(size=2).after(outcome(2, delivered=0b01), 200).after(outcome(2, delivered=0b10), 100)
    assert tally.settled_at == 200


STEPS = ["fix chunk", "settle", "complete source", "complete sources"]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), outcomes(3)), max_size=25), st.data())
def test_dispatched_recipients_add_up_at_every_moment(
    steps: list[tuple[int, int, OutcomeMessage]], data: st.DataObject
) -> None:
    """In any interleaving of chunks, completions and outcomes the four numbers add up, and none is negative."""
    store = MemoryBroadcastStore()
    store.record(summary())
    store.fix_sources(BROADCAST, [source(number) for number in range(3)])
    chunks = [0, 0, 0]
    for number, which, found in steps:
        match data.draw(st.sampled_from(STEPS)):
            case "fix chunk" if (stored := store.source(BROADCAST, number)) and stored.dispatched is None:
                store.fix_chunk(BROADCAST, chunk(f"{number}.{chunks[number]}"))
                chunks[number] += 1
            case "settle" if which < chunks[number]:
                key = TallyKey(BROADCAST, ChunkId(f"{number}.{which}"))
                old = store.tallies_of([key]).get(key)
                assert store.replace_tally(key, old, (old or Tally(size=3)).after(found, NOW_MS))
            case "complete source":
                store.complete_source(
                    BROADCAST, number, chunks=chunks[number], dispatched=3 * chunks[number], now=NOW_MS
                )
            case "complete sources":
                store.complete_sources(BROADCAST, 3, 9, NOW_MS)
        report = report_of(store, BROADCAST)
        assert report is not None
        assert report.dispatched == report.delivered + report.gone + report.failed + report.in_flight
        assert min(report.delivered, report.gone, report.failed, report.in_flight) >= 0
        assert report.dispatched == 3 * sum(chunks)
        assert (report.status == "finished") <= (report.in_flight == 0)


def test_a_report_is_accepted_then_delivering_then_finished() -> None:
    """The status follows the rows; the end is the last thing that happened."""
    head = summary()
    assert summarise(head, [], 0, []).status == "accepted"
    assert summarise(head, [source()], 0, []).status == "accepted"
    planned = replace(head, sources=1, expected=3, swarmed_at=NOW_MS + 1)
    assert summarise(planned, [source()], 3, []).status == "delivering"
    queried = replace(source(), dispatched=3, queried_at=NOW_MS + 2)
    assert summarise(planned, [queried], 3, []).status == "delivering"
    tally = Tally(size=3).after(outcome(delivered=0b011, gone=0b100), NOW_MS + 3)
    report = summarise(planned, [queried], 3, [tally])
    assert (report.status, report.finished_at, report.by_account) == ("finished", NOW_MS + 3, {ACCOUNT: 2})


def test_a_broadcast_without_recipients_finishes() -> None:
    """No sources, or sources without recipients: the report ends nevertheless."""
    nobody = summarise(replace(summary(), sources=0, expected=0, swarmed_at=NOW_MS), [], 0, [])
    assert (nobody.status, nobody.finished_at) == ("finished", NOW_MS)
    empty = replace(source(), dispatched=0, queried_at=NOW_MS + 5)
    assert summarise(replace(summary(), sources=1, swarmed_at=NOW_MS), [empty], 0, []).finished_at == NOW_MS + 5


def test_the_body_of_a_report_has_the_documented_fields() -> None:
    """`GET /broadcast/{id}` answers these fields, and a client reads the report back from them."""
    report = Report(
        status="delivering",
        expected=None,
        dispatched=10,
        delivered=5,
        gone=2,
        failed=1,
        published_at=NOW_MS,
        finished_at=None,
        by_account={ACCOUNT: 5},
    )
    wire = report.to_wire()
    assert wire == {
        "status": "delivering",
        "expected": None,
        "dispatched": 10,
        "delivered": 5,
        "gone": 2,
        "failed": 1,
        "inFlight": 2,
        "publishedAt": NOW_MS,
        "finishedAt": None,
        "byAccount": {ACCOUNT: 5},
        "cancelled": False,
        "expired": False,
    }
    assert Report.from_wire(wire) == report
