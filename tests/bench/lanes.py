"""Benchmark 2: how much of an account's quota lanes use: broadcasts alone, a large room alone, and both at once."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from threading import Barrier
from typing import Any
from urllib.request import Request, urlopen

from tests.bench import processes, stand_in
from tests.bench.processes import BenchmarkError
from tests.bench.results import ResultTable, Section, at_least, at_most, microseconds, number, percent
from tests.support import aws
from tests.support.orders import signed_by_root
from tests.support.tables import create_table
from tools.stack.processes import HOST
from tools.stack.project import Project

QUOTA = 10_000
BURST = 5_000
HEADROOM = 0.98
SHARES = {"normal": 0.9, "low": 0.1}
LANES = {"normal": 4, "low": 2}
"""Shares of the kinds, as they are deployed by default."""

SOCKETS = 4_000

_METHOD = """\
Worker processes with a sender and a lane each, against the gateway stand-in with that quota, a bucket of {burst:,}
and {sockets:,} open sockets: {seconds:.0f} s, after {settling} s that are not counted. There are two kinds of lanes,
four for broadcasts with 90% of {headroom:.0%} of the quota, and two for large rooms with the rest. Each borrows what
the other leaves idle; the marks are in a table of the local AWS. All lanes together ask for no more than {headroom:.0%}
of what the bucket is refilled with, so its content adds nothing to what they sustain. Without any limit the stand-in
answers {ceiling:,.0f} posts a second on this machine, to clients that sign nothing; quotas of less than four fifths of
that are judged."""

_LOWER_QUOTA = 4_000
_NEEDED_CEILING = 1.25
_SECONDS = 10.0
_SETTLING_SECONDS = 1.5
_SPREAD_SECONDS = 6.0
"""The first lane may start so much earlier than the last one, and is measured to the end nevertheless."""

_CEILING_SECONDS = 3.0
_START_SECONDS = 60.0
_PAYLOAD_BYTES = 512
_LANE = (sys.executable, "-m", "tests.bench.clients.lane")


@dataclass(frozen=True, slots=True)
class Case:
    """Some lanes that post at once: how many of each kind, and whether they borrow."""

    name: str
    lanes: Mapping[str, int]
    entitled: float
    """The share of the quota that they may use together, headroom left out."""

    lend: bool = True


TOGETHER = Case("broadcasts alone", {"normal": 4}, 1)
UNLENT = Case("broadcasts alone, if nothing were lent", {"normal": 4}, 1, lend=False)
ONE = Case("one lane of four", {"normal": 1}, 1 / 4)
ROOM = Case("a large room alone", {"low": 2}, 1)
BOTH = Case("broadcasts and a large room", {"normal": 4, "low": 2}, 1)


@dataclass(frozen=True, slots=True)
class LaneAttempt:
    """Some lanes under a quota, for the length of a measure."""

    quota: int
    case: Case
    posts: int
    throttled: int
    seconds: float
    room_share: float
    cpu_per_post: float
    gateway_share: float

    @property
    def rate(self) -> float:
        """Accepted posts a second."""
        return self.posts / self.seconds

    @property
    def used(self) -> float:
        """The share of their quota that they used."""
        return self.rate / self.quota / self.case.entitled

    @property
    def throttled_share(self) -> float:
        """The share of posts answered 429."""
        return self.throttled / (self.posts + self.throttled)


@cache
def posts_ceiling() -> float:
    """Return how many posts a second the stand-in answers on this machine when nothing limits it; measured once."""
    command = [
        sys.executable,
        "-m",
        "tools.emulator.gateway",
        "ceiling",
        f"--sockets={SOCKETS}",
        f"--seconds={_CEILING_SECONDS}",
    ]
    done = subprocess.run(command, cwd=Project.of_this_code().root, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchmarkError(f"{command} failed:\n{done.stderr[-2000:]}")
    return float(json.loads(done.stdout)["posts_per_second"])


def affordable_quota() -> int:
    """The quota of AWS, or a lower one where this machine could not carry that one."""
    return QUOTA if posts_ceiling() >= _NEEDED_CEILING * QUOTA else _LOWER_QUOTA


def measure(progressed: Callable[[int, int, str], None]) -> Section:
    """All cases, under AWS's quota, and under a lower one if this machine's gateway cannot carry that."""
    progressed(0, 1, "what the gateway can do")
    quotas = sorted({QUOTA, affordable_quota()}, reverse=True)
    cases = [(quota, case) for quota in quotas for case in (TOGETHER, UNLENT, ONE, ROOM, BOTH)]
    attempts: list[LaneAttempt] = []
    with tempfile.TemporaryDirectory() as directory, aws.running(Path(directory)) as endpoint:
        for quota, case in cases:
            progressed(len(attempts), len(cases), f"{case.name}, {quota:,} posts a second")
            attempts.append(_attempt(quota, case, endpoint))
    progressed(len(cases), len(cases), "")
    return _section(attempts)


def _attempt(quota: int, case: Case, aws_endpoint: str) -> LaneAttempt:
    kinds = [kind for kind, many in case.lanes.items() for _ in range(many)]
    lanes = len(kinds)
    table = create_table(aws.aws_client("dynamodb", aws_endpoint), "lanes") if case.lend else None
    with (
        processes.serving("tests.bench.stand_in", {"rate": quota, "burst": BURST}) as (gateway, ready),
        processes.serving("tests.bench.clients.crowd", {"url": _path(ready, "ws"), "sockets": SOCKETS}),
        ThreadPoolExecutor(lanes) as pool,
    ):
        base = f"http://{HOST}:{ready['port']}/_gateway"
        connections = _get(f"{base}/connections")["connection_ids"]
        job = {
            "endpoint": _path(ready, "http"),
            "payload": json.dumps({"type": "broadcast", "data": "x" * _PAYLOAD_BYTES})[:_PAYLOAD_BYTES],
            "seconds": _SPREAD_SECONDS + _SETTLING_SECONDS + _SECONDS,
            "aws": aws_endpoint,
            "table": table,
            "shares": SHARES,
        }
        all_started = Barrier(lanes + 1, timeout=_START_SECONDS)
        running = [
            pool.submit(
                processes.run,
                _LANE,
                {
                    **job,
                    "kind": kind,
                    "rate": quota * HEADROOM * SHARES[kind] / LANES[kind],
                    "connections": connections[lane::lanes],
                },
                environment={**os.environ, aws.RUNNING_SECRET: aws.SECRET},
                started=all_started.wait,
            )
            for lane, kind in enumerate(kinds)
        ]
        all_started.wait()
        time.sleep(_SETTLING_SECONDS)
        before, cpu, started = _posts(base), processes.cpu_seconds(gateway), time.monotonic()
        time.sleep(_SECONDS)
        after, seconds = _posts(base), time.monotonic() - started
        gateway_share = (processes.cpu_seconds(gateway) - cpu) / seconds
        counted = [each.result() for each in running]
    posted = sum(each["count"] for each in counted)
    return LaneAttempt(
        quota=quota,
        case=case,
        posts=after["200"] - before["200"],
        throttled=after["429"] - before["429"],
        seconds=seconds,
        room_share=sum(each["count"] for each, kind in zip(counted, kinds, strict=True) if kind == "low") / posted,
        cpu_per_post=sum(each["cpu_seconds"] for each in counted) / posted,
        gateway_share=gateway_share,
    )


def _path(ready: Mapping[str, Any], scheme: str) -> str:
    return f"{scheme}://{HOST}:{ready['port']}/{stand_in.API}/{stand_in.STAGE}"


def _posts(base: str) -> Counter[str]:
    """Return how many posts have been answered until now, by status."""
    return Counter(_get(f"{base}/stats")["posts"])


def _get(url: str) -> Any:
    request = Request(url, headers=dict(signed_by_root(stand_in.SECRET)("GET", url, None)))  # noqa: S310  # this machine's own gateway
    with urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def _section(attempts: Sequence[LaneAttempt]) -> Section:
    rows = [
        (
            f"{each.case.name}, {each.quota:,} a second",
            number(each.rate),
            percent(each.used),
            percent(each.room_share),
            f"{each.throttled_share:.2%}",
            microseconds(each.cpu_per_post),
            percent(each.gateway_share),
        )
        for each in attempts
    ]
    last = {each.case.name: each for each in attempts}
    together, one, room, both = (last[case.name] for case in (TOGETHER, ONE, ROOM, BOTH))
    quota = f"a quota of {together.quota:,}/s"
    return Section(
        title="Lanes",
        method=_METHOD.format(
            headroom=HEADROOM,
            burst=BURST,
            sockets=SOCKETS,
            seconds=_SECONDS,
            settling=_SETTLING_SECONDS,
            ceiling=posts_ceiling(),
        ),
        tables=[
            ResultTable(
                "Posts accepted",
                (
                    "lanes",
                    "posts per second",
                    "of their quota",
                    "for the room",
                    "answered 429",
                    "worker's CPU per post",
                    "gateway busy",
                ),
                rows,
            )
        ],
        targets=[
            at_least(f"share of {quota} that four lanes of broadcasts use alone", together.used, 0.95, percent),
            at_least(f"share of {quota} that a large room uses alone", room.used, 0.95, percent),
            at_least(f"share of {quota} that both use at once", both.used, 0.95, percent),
            at_most("share of these posts that are the room's", both.room_share, 0.11, percent),
            at_most(f"share of their posts answered 429, at {together.quota:,}/s", both.throttled_share, 0.01, percent),
            at_least("share of its own quota that one lane uses", one.used, 0.95, percent),
        ],
    )
