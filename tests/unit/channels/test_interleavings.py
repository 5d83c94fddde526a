"""Frames of one connection at the same time, with its end, in random orders, and some of them killed.

Every call of a store or a queue is a step. A schedule chooses whose step is next, and may kill a function between any
two of its steps. Then time passes, and delayed messages are handled, twice and in any order.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count
from random import Random
from typing import Any
from unittest.mock import patch

import pytest
from greenlet import getcurrent, greenlet

from functions.channels.leave_channels import leave_channels
from functions.channels.subscribe import subscribe
from loudhailer.channels.leaving import Ended
from loudhailer.channels.model import LEFT_AGAIN_SECONDS
from loudhailer.ids import Pattern
from tests.support.interleaving import Stepwise, mutated
from tests.support.properties import examples
from tests.unit.channels.channel_fixture import KEY, SUBSCRIBER, ChannelFixture

NAME = Pattern("sport")

type Scene = tuple[str, ...]
"""Events of the same time: frames, the connection's end, the end of an earlier unsubscription."""

SCENES: tuple[Scene, ...] = (
    ("subscribe", "subscribe"),
    ("subscribe", "unsubscribe"),
    ("subscribe", "unsubscribe", "subscribe"),
    ("subscribe", "unsubscribe", "subscribe", "unsubscribe"),
    ("subscribe", "end"),
    ("subscribe", "subscribe", "end"),
    ("subscribe", "unsubscribe", "subscribe", "end"),
    ("subscribe", "unsubscribe", "finish"),
)

_STEPS = 25
"""Number of the steps at which functions may be killed."""

SCHEDULES = 100
"""Schedules of each scene; a mutant is run on more."""


class Play:
    """One schedule of a scene."""

    def __init__(self, scene: Scene, seed: int, modules: tuple[Any, Any]) -> None:
        self.random = Random(seed)  # noqa: S311  # a failing schedule is to be repeated
        self.clients = ChannelFixture(through=Stepwise, modules=modules)
        self.function = self.clients.function()
        self.ended_at: float | None = None
        self.killed = 0
        self.acknowledged = False
        self.unsubscribes = "unsubscribe" in scene
        if self.random.random() < 0.5:
            self.clients.connections.mark_subscriber(KEY)
        if "finish" in scene or self.random.random() < 0.5:
            self.clients.frame("subscribe", NAME, function=self.function)
            self.clients.now += self.random.choice((1, 120))
        if "finish" in scene:
            self.clients.frame("unsubscribe", NAME, function=self.function)
            self.clients.now += 85
        self._run([greenlet(self._actor(action)) for action in scene])
        self._check_at_once()

    def _run(self, actors: list[greenlet]) -> None:
        kills = {self.random.randrange(_STEPS) for _ in range(self.random.randrange(3))}
        for step in count():
            if not actors:
                return
            actor = self.random.choice(actors)
            self.clients.now += self.random.random() / 2
            if step in kills:
                self.killed += 1
                actor.throw()
            else:
                actor.switch()
            actors = [one for one in actors if not one.dead]

    def _actor(self, action: str) -> Callable[[], None]:
        def work() -> None:
            if action == "end":
                return self._end()
            if action == "finish":
                self.clients.leave(*self.clients.queue.bodies[:1])
                return None
            answer = self.clients.frame(action, NAME, function=self.function)
            if action == "subscribe" and answer == {NAME: None}:
                self.acknowledged = True
            return None

        return work

    def _end(self) -> None:
        """The connection's row goes; its end is reported at once, and again when the play is over."""
        getcurrent().parent.switch()
        self.clients.connections.rows.pop(KEY, None)
        self.ended_at = self.clients.now
        self.clients.leave(Ended([SUBSCRIBER], is_last=False).to_wire())

    def _check_at_once(self) -> None:
        """When all frames are answered, the members are as the answers say, without any message."""
        row = self.clients.subscriptions.rows.get((SUBSCRIBER, NAME))
        if not self.killed:
            is_in = self.ended_at is None and row is not None and not row.is_gone
            assert self.clients.members_of(NAME) == (["a="] if is_in else [])

    def settle(self) -> None:
        """Messages are handled in a random order at the times when they are due, those of a killed function again."""
        begun = self.clients.now
        left = [
            (begun + delay, body)
            for body, delay in zip(self.clients.queue.bodies, self.clients.queue.delays, strict=True)
        ]
        if self.ended_at is not None:
            left += [(begun + self.random.random() * 100, Ended([SUBSCRIBER], is_last=False).to_wire())]
            left += [(self.ended_at + 60, Ended([SUBSCRIBER], is_last=True).to_wire())]
        for at, body in sorted(left * 2):
            self.clients.now = max(self.clients.now, at)
            assert self.clients.leave(body) == {}

    def check(self) -> None:
        """At rest each member has its subscription, of its era and not gone; and the end leaves nothing."""
        row = self.clients.subscriptions.rows.get((SUBSCRIBER, NAME))
        members = list(self.clients.members.rows.values())
        if self.ended_at is not None:
            assert self.clients.frame("subscribe", NAME, function=self.function) == "CONNECTION_OVER"
            assert (row, members) == (None, [])
            return
        assert row is None or not row.is_gone
        assert all(row is not None and (row.era, row.member) == (member.era, member.key) for member in members)
        if not self.unsubscribes and self.acknowledged:
            assert members


def plays(
    schedules: int, scenes: Sequence[Scene] = SCENES, modules: tuple[Any, Any] = (subscribe, leave_channels)
) -> None:
    """Play each scene in so many schedules."""
    for seed in range(schedules):
        for scene in scenes:
            names = count()
            with patch("loudhailer.ids.new_era", lambda names=names: f"era-{next(names)}"):
                play = Play(scene, seed, modules)
                play.settle()
                play.check()


def test_nothing_is_lost_or_left_behind_in_any_order() -> None:
    """In the scenes above."""
    plays(SCHEDULES * examples(100).max_examples // 100)


LIMITED: tuple[Scene, ...] = (
    ("sport", "other"),
    ("other", "sport", "other"),
    ("other", "other", "sport", "sport"),
)
"""Names that frames of the same time subscribe to, on a connection that may have one channel."""


def plays_at_the_limit(schedules: int, modules: tuple[Any, Any] = (subscribe, leave_channels)) -> None:
    """Play frames for the last room of a connection in so many schedules, some of them killed."""
    for seed in range(schedules):
        for scene in LIMITED:
            names = count()
            with patch("loudhailer.ids.new_era", lambda names=names: f"era-{next(names)}"):
                _play_at_the_limit(Random(f"{seed} {scene}"), scene, modules)  # noqa: S311  # as above


def _play_at_the_limit(random: Random, scene: Scene, modules: tuple[Any, Any]) -> None:
    clients = ChannelFixture(through=Stepwise, modules=modules, limit=1)
    function = clients.function()
    answers: dict[str, set[str | None]] = {name: set() for name in scene}
    if random.random() < 0.3:
        clients.frame("subscribe", scene[0], function=function)

    def frame(name: str) -> None:
        answers[name].add(clients.frame("subscribe", name, function=function)[name])

    actors = [greenlet(partial(frame, name)) for name in scene]
    killed, kills = 0, {random.randrange(_STEPS) for _ in range(random.randrange(3))}
    for step in count():
        if not actors:
            break
        actor = random.choice(actors)
        if step in kills:
            killed += 1
            actor.throw()
        else:
            actor.switch()
        actors = [one for one in actors if not one.dead]
    live = {pattern for (_, pattern), row in clients.subscriptions.rows.items() if not row.is_gone}
    members = {name for name in answers if clients.members_of(name)}
    assert {name for name, given in answers.items() if given == {None}} <= members
    if not killed:
        assert members == live
        assert len(members) <= 1
    for name in answers:
        frame(name)
    clients.now += LEFT_AGAIN_SECONDS
    assert clients.leave(*clients.queue.bodies) == {}
    assert len({name for name in answers if clients.members_of(name)}) <= 1


def test_frames_for_the_last_room_keep_to_the_limit_in_any_order() -> None:
    """An acknowledged name that no frame was refused has its member, and a repetition ends what a killed frame left."""
    plays_at_the_limit(SCHEDULES * examples(100).max_examples // 100)


LIMIT_MUTANTS = {
    "the room is not counted again": ("        if excess > 0 and not is_over:\n", "        if False:\n"),
    "a repetition is not counted": ("if room < 0 or not _continues", "if not _continues"),
    "a limit ends any turn": ("of_turn=True", "of_turn=False"),
}


@pytest.mark.parametrize("mutant", LIMIT_MUTANTS)
def test_a_mutant_of_the_limit_is_caught(mutant: str) -> None:
    """The schedules are enough to find each of these errors."""
    changed = mutated(subscribe, *LIMIT_MUTANTS[mutant])
    with pytest.raises(AssertionError):
        plays_at_the_limit(10 * SCHEDULES, (changed, leave_channels))


MUTANTS: dict[str, Any] = {
    "the connection's row is found in a cache": (
        subscribe,
        "        connection = self._connections.get(caller.key)\n",
        "        connection = self.__dict__.setdefault('found', self._connections.get(caller.key))\n",
        ("subscribe", "end"),
    ),
    "nothing is read again": (
        subscribe,
        "            self._look_again(caller, [begun[pattern] for pattern in put], doubtful, problems)\n",
        "            pass\n",
        ("subscribe", "end"),
    ),
    "an overtaken frame deletes the subscription": (
        subscribe,
        "            self._members.delete(one.member, era=one.era, before=one.turn + 1)\n",
        (
            "            self._members.delete(one.member, era=one.era, before=one.turn + 1)\n"
            "            self._subscriptions.delete(one)\n"
        ),
        ("subscribe", "subscribe", "end"),
    ),
    "no message before the turn": (subscribe, "[left.to_wire()]", "[]", ("subscribe", "unsubscribe")),
    "any turn's member is deleted": (
        subscribe,
        "era=gone.era, before=gone.turn)",
        "era=gone.era, before=10**9)",
        ("subscribe", "unsubscribe", "subscribe"),
    ),
    "the end leaves young subscriptions for ever": (
        leave_channels,
        "if is_last or self._is",
        "if self._is",
        ("subscribe", "end"),
    ),
    "the first report deletes young subscriptions": (
        leave_channels,
        "if is_last or self._is_settled(one)",
        "if True",
        ("subscribe", "subscribe", "end"),
    ),
    "an unsubscription is forgotten at once": (
        leave_channels,
        "        if self._is_settled(subscription):\n",
        "        if True:\n",
        ("subscribe", "unsubscribe", "finish"),
    ),
    "subscriptions go before their members": (
        leave_channels,
        "        members = {*also, *(one.member for one in found)}\n",
        (
            "        self._subscriptions.delete_all(one for one in found if is_last or self._is_settled(one))\n"
            "        members = {*also, *(one.member for one in found)}\n"
        ),
        ("subscribe", "end"),
    ),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mutant_is_caught(mutant: str) -> None:
    """The schedules are enough to find each of these errors."""
    module, before, after, *scenes = MUTANTS[mutant]
    changed = mutated(module, before, after)
    modules = (changed, leave_channels) if module is subscribe else (subscribe, changed)
    with pytest.raises(AssertionError):
        plays(100 * SCHEDULES, scenes, modules)
