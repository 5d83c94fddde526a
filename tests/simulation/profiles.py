"""The kinds of runs: what is done often in each, how often faults strike, and how large everything is.

Half of the runs do everything alike. Each of the others meets a few things in all their orders.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Literal

from tests.simulation.faults import (
    ACCOUNT_THROTTLED,
    CELL_LOST,
    CELL_SILENT,
    CLIENT_SLOW,
    CLOCK_SKEW,
    CROSSES_LATE,
    CROSSES_TWICE,
    DUPLICATE,
    KILLED_AFTER,
    KILLED_BEFORE,
    LOST_ANSWER,
    LOST_REQUEST,
    NO_DISCONNECT,
    POST_FAILS,
    REPEATED_CALL,
    SLOW_CALL,
    STREAM_REPEATS,
    THROTTLED_CALL,
    TIME_JUMPS,
)


@dataclass(frozen=True)
class Sizes:
    """Numbers that are large in the shipped functions, so that a million connections are planned well.

    Attributes:
        chunk: recipients of a chunk, in each of the two releases that run side by side.
        keys: keys that the rows of a broadcast's sources are spread over, in each release.
        recipients_a_source: recipients that a source is planned for.
        partitions_a_source: partitions that it may have.
        sources_at_once: sources that are fixed in one transaction.
        small_room: members up to which a room is small.
        partition: connections of a partition.
        partitions: partitions of a tenant, at most.
        pages: rows on a page of DynamoDB's, one of these in each run.
        workers: functions that read one shard at the same time.
        environments: environments of a function, at most, before work waits for none.
        receives: receives after which a message of a broadcast counts as undelivered.
        inbox: messages that may wait in an inbox.
    """

    chunk: tuple[int, int] = (2, 3)
    keys: tuple[int, int] = (1, 3)
    recipients_a_source: int = 4
    partitions_a_source: int = 3
    sources_at_once: int = 2
    small_room: int = 3
    partition: int = 3
    partitions: int = 6
    pages: tuple[int, ...] = (1, 2, 3, 8)
    workers: int = 2
    environments: int = 2
    receives: int = 3
    inbox: int = 6


@dataclass(frozen=True)
class Profile:
    """One kind of run.

    Attributes:
        often: how many times as often something is done.
        shares: shares of the kinds of faults that such runs have, one of these in each run.
        faults: kinds of faults that each such run has, and how many times as often they strike.
        paces: seconds between two things that are done, on average, one of these in each run.
        gaps: seconds for which nobody does anything now and then, one of these each time.
        gap_share: share of the things that are done behind such a gap.
        all_leave: all clients leave before it.
        jumps: seconds by which the time may jump.
        devices: connections that a session may have, one of these in each tenant.
        tenants: connections that a tenant may have, likewise.
        strangers: share of the requests for a session that another player makes.
        sessions: sessions of a tenant, at least and at most.
        sizes: how large everything is.
    """

    often: Mapping[str, float] = field(default_factory=dict)
    shares: Sequence[float] = (0.0, 0.15, 0.3, 0.5, 1.0)
    faults: Mapping[str, float] = field(default_factory=dict)
    paces: Sequence[float] = (0.05, 0.5, 3.0, 12.0)
    gaps: Sequence[float] = (100.0, 700.0, 1_500.0, 4_000.0, 8_000.0)
    gap_share: float = 0.01
    all_leave: bool = False
    jumps: Sequence[float] = (60.0, 60.0, 400.0, 400.0, 4_000.0, 4_000.0, 100_000.0)
    devices: Sequence[int] = (1, 2, 3, 5)
    tenants: Sequence[int] = (4, 8, 20)
    strangers: float = 0.1
    sessions: tuple[int, int] = (1, 4)
    sizes: Sizes = Sizes()


EVERYTHING = Profile()

_FEW = (0.15, 0.3)

PROFILES: Mapping[str, Profile] = {
    "rooms": Profile({"join": 4.0, "say": 4.0}, _FEW, {SLOW_CALL: 6.0, CLIENT_SLOW: 3.0}),
    "small rooms": Profile(
        {
            "join": 3.0,
            "say": 10.0,
            "connect": 0.5,
            **dict.fromkeys(("leave", "publish", "tell", "silo", "delete"), 0.2),
        },
        _FEW,
        {POST_FAILS: 6.0, CLIENT_SLOW: 8.0, ACCOUNT_THROTTLED: 6.0, TIME_JUMPS: 0.0},
        paces=(3.0, 12.0),
        tenants=(20,),
    ),
    "messages": Profile(
        {"tell": 4.0, "silo": 8.0, "leave": 2.0},
        _FEW,
        {KILLED_BEFORE: 4.0, KILLED_AFTER: 4.0, CLIENT_SLOW: 8.0},
        devices=(3, 5),
        tenants=(20,),
    ),
    "broadcasts": Profile(
        {
            "publish": 3.0,
            "redrive": 8.0,
            "report": 8.0,
            "connect": 1.5,
            **dict.fromkeys(("leave", "join", "say", "tell", "silo", "delete"), 0.3),
        },
        _FEW,
        {SLOW_CALL: 8.0, CLIENT_SLOW: 4.0, DUPLICATE: 3.0, POST_FAILS: 3.0, TIME_JUMPS: 2.0, KILLED_AFTER: 3.0},
        paces=(0.5, 3.0),
        jumps=(60.0, 400.0),
        devices=(5,),
        tenants=(20,),
        sizes=Sizes(chunk=(4, 6), recipients_a_source=12, partition=6, receives=1),
    ),
    "partitions": Profile(
        {
            "connect": 6.0,
            **dict.fromkeys(("publish", "report", "join", "say", "tell", "silo", "delete", "erase"), 0.2),
        },
        _FEW,
        {STREAM_REPEATS: 15.0, TIME_JUMPS: 0.0, NO_DISCONNECT: 0.0},
        paces=(3.0, 12.0),
        gaps=(1_500.0, 2_000.0),
        gap_share=0.06,
        all_leave=True,
        devices=(5,),
        tenants=(20,),
    ),
    "coming and going": Profile(
        {"connect": 3.0, "leave": 4.0},
        _FEW,
        {KILLED_AFTER: 3.0, LOST_REQUEST: 3.0, THROTTLED_CALL: 3.0},
        paces=(3.0, 12.0),
        devices=(5,),
        tenants=(20,),
    ),
    "sessions": Profile(
        {"connect": 3.0, "put": 5.0, "delete": 10.0},
        _FEW,
        {SLOW_CALL: 8.0},
        paces=(0.05, 0.5),
        tenants=(20,),
        strangers=0.5,
    ),
}
"""Profiles, named by the events that are frequent in them."""

LANES = Profile(
    shares=_FEW,
    faults={
        CLOCK_SKEW: 1.0,
        **dict.fromkeys((SLOW_CALL, LOST_REQUEST, LOST_ANSWER, THROTTLED_CALL, KILLED_BEFORE), 5.0),
    },
)
"""The profile of runs that have lanes only, see `lanes.py`."""

CELLS = Profile(
    often={
        "tell": 4.0,
        "publish": 1.5,
        "leave": 0.4,
        **dict.fromkeys(("join", "say", "silo", "nonsense"), 0.3),
        **dict.fromkeys(("erase", "cancel"), 2.0),
    },
    shares=_FEW,
    faults=dict.fromkeys((CELL_SILENT, CELL_LOST, CROSSES_LATE, CROSSES_TWICE), 1.0),
    paces=(1.0, 3.0, 12.0),
    devices=(2, 3, 5),
    tenants=(20, 40),
    strangers=0.02,
    sessions=(3, 8),
    sizes=Sizes(inbox=2),
)
"""The profile of runs that have several cells, see `cells.py`."""

STORM = Profile(
    shares=(0.0,),
    faults=dict.fromkeys((THROTTLED_CALL, REPEATED_CALL, KILLED_BEFORE, KILLED_AFTER), 3.0),
    sizes=Sizes(environments=6),
)
"""The profile of runs in which a crowd is let in, see `storm.py`."""

_SHARE_OF_LANES = 0.06
_SHARE_OF_CELLS = 0.1

_SHARE_OF_STORMS = 0.03

type KindOfRun = Literal["lanes", "cells", "storm", "one cell"]


def kind_of(seed: object) -> KindOfRun:
    """The kind of a seed's run: it has lanes only, or several cells, or a crowd that is let in, or none of these."""
    drawn = Random(f"kind {seed}").random()  # noqa: S311  # a run is to be repeated
    shares: Mapping[KindOfRun, float] = {"lanes": _SHARE_OF_LANES, "cells": _SHARE_OF_CELLS, "storm": _SHARE_OF_STORMS}
    for kind, share in shares.items():
        if drawn < share:
            return kind
        drawn -= share
    return "one cell"


def profile_of(seed: object) -> Profile:
    """The profile of a seed."""
    random = Random(f"profile {seed}")  # noqa: S311  # a run is to be repeated
    return EVERYTHING if random.random() < 0.5 else random.choice(list(PROFILES.values()))
