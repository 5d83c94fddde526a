"""All orders in which publishers of one channel may run, one of them killed at any of its calls.

Every call of a store is a step. A schedule says whose step is next, and which publisher is killed at which step. A
schedule ends early if it comes to a state of another one: the same rows, and the same answers to every publisher. At
the end the request of a killed publisher is carried out again, as the queue `unfinished` does.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple
from unittest.mock import patch

import pytest
from greenlet import getcurrent, greenlet

from loudhailer.errors import TransientError
from loudhailer.history import model, sequence
from loudhailer.history.model import Head, Position
from loudhailer.history.sequence import Sequenced
from loudhailer.ids import BroadcastId, ChannelKey, Epoch
from tests.support.fakes import history as fakes
from tests.support.interleaving import mutated

CHANNEL = ChannelKey("acme#news")
OLD = Epoch("old")


class Publisher(NamedTuple):
    """A function that publishes messages, one after the other; it knows the tenant's setting of that generation."""

    messages: str
    generation: int = 1

    def each(self) -> list[BroadcastId]:
        """The ids of its messages, each a letter."""
        return list(map(BroadcastId, self.messages))


@dataclass(frozen=True)
class Scene:
    """Publishers of the same time, and the channel as they find it: the ids of its head, and the ids with a note.

    None of three publishers is killed: their schedules would take a minute.
    """

    publishers: tuple[Publisher, ...]
    ids: str = ""
    noted: str = ""
    segment_ids: int = 2


SCENES: dict[str, Scene] = {
    "one message, twice": Scene((Publisher("a"), Publisher("a"))),
    "two messages": Scene((Publisher("a"), Publisher("b"))),
    "one message twice, and the segment is full behind it": Scene((Publisher("a"), Publisher("ab")), segment_ids=1),
    "one message twice, and the segment is full before it": Scene(
        (Publisher("a"), Publisher("a")), ids="cd", noted="c"
    ),
    "a message that was appended and not noted": Scene((Publisher("a"), Publisher("b")), ids="da", noted="d"),
    "three messages for the last room": Scene((Publisher("ab"), Publisher("c")), ids="d"),
    "one message, before and after a change of the setting": Scene((Publisher("a", 1), Publisher("a", 2))),
    "a message that was appended before a change": Scene((Publisher("a", 1), Publisher("a", 2)), ids="a"),
    "two messages, before and after a change": Scene((Publisher("a", 1), Publisher("b", 2)), ids="d"),
    "two messages after a change, one of them twice": Scene((Publisher("ab", 2), Publisher("a", 2)), ids="d"),
}

OF_THREE: dict[str, Scene] = {
    "one message twice, and another": Scene((Publisher("a"), Publisher("a"), Publisher("b")), segment_ids=1),
    "two messages, and a change": Scene((Publisher("a", 1), Publisher("a", 2), Publisher("b", 2)), ids="d"),
}


@dataclass
class Modules:
    """The code that runs: the algorithm, and the store's twin."""

    sequence: ModuleType = sequence
    fakes: ModuleType = fakes


class Steps:
    """A store whose calls are steps of the publisher that makes them; each notes its answer."""

    def __init__(self, store: Any, answers: list[str]) -> None:
        self._store = store
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def step(*arguments: Any, **named: Any) -> Any:
            parent = getcurrent().parent
            assert parent is not None
            parent.switch()
            answer = call(*arguments, **named)
            self._answers.append(f"{name}{arguments}{named}={answer}")
            return answer

        return step


class Choice(NamedTuple):
    """The next step of a schedule: whose, and whether the publisher is killed instead of it."""

    actor: int
    is_killed: bool = False


class Play:
    """One schedule of a scene, from its beginning."""

    def __init__(self, scene: Scene, modules: Modules) -> None:
        self.scene = scene
        self.modules = modules
        self.history = modules.fakes.MemoryHistoryStore()
        self.positions: dict[tuple[BroadcastId, Position], None] = {}
        self.killed: int | None = None
        self.answers: list[list[str]] = []
        appended = tuple(map(BroadcastId, scene.ids))
        self.asked = sorted({message for one in scene.publishers for message in one.each()})
        self.notes = fakes.MemoryPositionNotes(*sorted({*appended, *self.asked}))
        if appended:
            head = Head(epoch=OLD, generation=1, made_at=0, ids=appended)
            self.history.begin(CHANNEL, head, 0)
            self.positions = dict.fromkeys(head.positions().items())
            for message in map(BroadcastId, scene.noted):
                self.notes.note_position(message, head.positions()[message])
        self.actors = list(map(self._begun, scene.publishers))

    def _begun(self, publisher: Publisher) -> greenlet:
        answers: list[str] = []
        self.answers.append(answers)
        steps = Steps(self.history, answers), Steps(self.notes, answers)
        actor = greenlet(lambda: self._publish(publisher, *steps))
        actor.switch()
        return actor

    def _publish(self, publisher: Publisher, history: Any, notes: Any) -> None:
        """Give each message its offset, and note it with the message, as step 8 does."""
        append = self.modules.sequence.Sequence(history, notes, clock=lambda: 1.0).append
        for message in publisher.each():
            position = append(Sequenced(CHANNEL, publisher.generation, 60), message)
            self.positions[message, position] = None
            notes.note_position(message, position)

    def choices(self) -> list[Choice]:
        """The steps that may be the next one."""
        alive = [Choice(number) for number, actor in enumerate(self.actors) if not actor.dead]
        may_be_killed = self.killed is None and len(self.actors) < 3
        return alive if not may_be_killed else [*alive, *(one._replace(is_killed=True) for one in alive)]

    def take(self, choice: Choice) -> None:
        """Run a publisher up to its next call, or kill it."""
        if choice.is_killed:
            self.killed = choice.actor
            self.actors[choice.actor].throw()
        else:
            self.actors[choice.actor].switch()

    def state(self) -> str:
        """Return all that the next steps depend on: the rows, and what each publisher knows."""
        known = [None if actor.dead else answers for actor, answers in zip(self.actors, self.answers, strict=True)]
        return f"{self.killed}{known}{self.history.heads}{self.history.closed}{self.notes.rows}{self.positions.keys()}"

    def check(self) -> None:
        """At rest each message has one offset, which is noted with it, and the offsets have no gap."""
        if self.killed is not None:
            again = self._begun(self.scene.publishers[self.killed])
            while not again.dead:
                again.switch()
        head = self.history.heads[CHANNEL]
        lists = {(epoch, number): ids for (_, epoch, number), ids in self.history.closed.items()}
        lists[head.epoch, head.segment] = head.ids
        size = self.scene.segment_ids
        listed = [
            (message, Position(epoch, size * number + place))
            for (epoch, number), ids in lists.items()
            for place, message in enumerate(ids, 1)
        ]
        assert len({message for message, _ in listed}) == len(listed) == len(self.positions)
        assert set(listed) == self.positions.keys()
        assert {message: self.notes.rows[message] for message in self.asked} == {
            message: position for message, position in listed if message in self.asked
        }
        for epoch in {epoch for epoch, _ in lists}:
            offsets = [position.offset for _, position in listed if position.epoch == epoch]
            assert sorted(offsets) == list(range(1, len(offsets) + 1))
        assert head.generation == max(1, *(one.generation for one in self.scene.publishers))


def plays(scene: Scene, modules: Modules) -> int:
    """Play all schedules of a scene; return how many came to their end."""
    epochs: dict[tuple[int, int], Epoch] = {}
    counts: dict[int, int] = {}

    def new_epoch() -> Epoch:
        number = next((at for at, actor in enumerate(play.actors) if actor is getcurrent()), len(play.actors))
        counts[number] = counts.get(number, 0) + 1
        return epochs.setdefault((number, counts[number]), Epoch(f"epoch {number} {counts[number]}"))

    seen: set[str] = set()
    ends = 0
    unfinished: list[list[Choice]] = [[]]
    with (
        patch("loudhailer.ids.new_epoch", new_epoch),
        patch.object(model, "SEGMENT_IDS", scene.segment_ids),
        patch.object(modules.fakes, "SEGMENT_IDS", scene.segment_ids),
    ):
        while unfinished:
            counts.clear()
            schedule, play = unfinished.pop(), Play(scene, modules)
            for choice in schedule:
                play.take(choice)
            while (state := play.state()) not in seen:
                seen.add(state)
                if not (choices := play.choices()):
                    play.check()
                    ends += 1
                    break
                unfinished += [[*schedule, other] for other in choices[1:]]
                schedule.append(choices[0])
                play.take(choices[0])
    return ends


@pytest.mark.parametrize("name", SCENES)
def test_each_message_has_one_offset_in_any_order(name: str) -> None:
    """And no offset is left out."""
    assert plays(SCENES[name], Modules()) > 1


@pytest.mark.nightly
@pytest.mark.parametrize("name", OF_THREE)
def test_each_message_of_three_publishers_has_one_offset_in_any_order(name: str) -> None:
    """As of two."""
    assert plays(OF_THREE[name], Modules()) > 1


MUTANTS: dict[str, tuple[str, str, str, ModuleType]] = {
    "the note is read before the head": (
        "one message twice, and the segment is full behind it",
        """            head = self.head(channel)
            if (noted := self._notes.positions_of([message]).get(message)) is not None:
                return noted
""",
        """            if (noted := self._notes.positions_of([message]).get(message)) is not None:
                return noted
            head = self.head(channel)
""",
        sequence,
    ),
    "the note is not read": (
        "a message that was appended and not noted",
        "if (noted := self._notes.positions_of([message]).get(message)) is not None:",
        "if (noted := None) is not None:",
        sequence,
    ),
    "a segment is closed without notes": (
        "a message that was appended and not noted",
        "                self._notes.note_position(message, positions[message])\n",
        "                pass\n",
        sequence,
    ),
    "the head moves before the notes": (
        "a message that was appended and not noted",
        "        positions = head.positions()\n",
        "        self._history.move(channel.key, head, to)\n        positions = head.positions()\n",
        sequence,
    ),
    "the head moves before its segment is kept": (
        "a message that was appended and not noted",
        """        self._history.keep_segment(channel.key, head, self._in(channel.seconds + KEPT_LONGER_SECONDS))
        self._history.move(channel.key, head, to)
""",
        """        self._history.move(channel.key, head, to)
        self._history.keep_segment(channel.key, head, self._in(channel.seconds + KEPT_LONGER_SECONDS))
""",
        sequence,
    ),
    "a new generation begins without closing": (
        "a message that was appended before a change",
        "            self._close(channel, head, self._first(channel))\n",
        "            self._history.move(channel.key, head, self._first(channel))\n",
        sequence,
    ),
    "an older generation replaces a newer one": (
        "two messages, before and after a change",
        "if head.generation >= channel.generation:",
        "if head.generation == channel.generation:",
        sequence,
    ),
    "a segment is closed with the ids of an earlier read": (
        "two messages, and a change",
        "        if key not in self.closed or len(self.closed[key]) < len(head.ids):\n",
        "        if True:\n",
        fakes,
    ),
    "an id is appended twice": ("one message, twice", " and message not in row.ids:", ":", fakes),
    "an id is appended to another segment": (
        "one message twice, and the segment is full behind it",
        " or row.segment != head.segment:",
        ":",
        fakes,
    ),
    "an id is appended to another epoch": (
        "a message that was appended before a change",
        " or row.epoch != head.epoch",
        "",
        fakes,
    ),
    "a head moves with an id that came in between": (
        "two messages, before and after a change",
        " and len(row.ids) == len(head.ids):",
        ":",
        fakes,
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(mutant: str) -> None:
    """The schedules of one scene are enough to find each of these errors."""
    scene, before, after, module = MUTANTS[mutant]
    changed = mutated(module, before, after)
    modules = Modules(sequence=changed) if module is sequence else Modules(fakes=changed)
    with pytest.raises((AssertionError, TransientError)):
        plays((SCENES | OF_THREE)[scene], modules)
