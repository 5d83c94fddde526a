"""Benchmark 2: how much of an account's quota four lanes use together, and one alone of its own share."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from threading import Barrier
from typing import Any
from urllib.request import Request, urlopen

from tests.bench import processes, stand_in
from tests.bench.processes import BenchmarkError
from tests.bench.results import Section, Table, at_least, at_most, microseconds, number, percent
from tests.support.orders import signed_by_root
from tools.stack.processes import HOST
from tools.stack.project import Project

QUOTA = 10_000
BURST = 5_000
HEADROOM = 0.98
LANES = 4
SOCKETS = 4_000

_METHOD = """\
Worker processes with a sender each, and a lane of a quarter of {headroom:.0%} of the quota, against the gateway
stand-in with that quota, a bucket of {burst:,} and {sockets:,} open sockets: {seconds:.0f} s, after {settling} s
that are not counted. Four lanes together ask for no more than {headroom:.0%} of what the bucket is refilled with,
so its content adds nothing to what they sustain. Without any limit the stand-in answers {ceiling:,.0f} posts a
second on this machine, to clients that sign nothing; quotas of less than four fifths of that are judged."""

_LOWER_QUOTA = 4_000
_NEEDED_CEILING = 1.25
_SECONDS = 10.0
_SETTLING_SECONDS = 1.5
_CEILING_SECONDS = 3.0
_START_SECONDS = 60.0
_PAYLOAD_BYTES = 512
_LANE = (sys.executable, "-m", "tests.bench.clients.lane")


@dataclass(frozen=True, slots=True)
class Attempt:
    """Some lanes under a quota, for the length of a measure."""

    quota: int
    lanes: int
    posts: int
    throttled: int
    seconds: float
    cpu_per_post: float
    gateway_share: float

    @property
    def rate(self) -> float:
        """Accepted posts a second."""
        return self.posts / self.seconds

    @property
    def entitled(self) -> float:
        """The share of the quota that these lanes may use, headroom left out."""
        return self.quota * self.lanes / LANES

    @property
    def used(self) -> float:
        """The share of that which they used."""
        return self.rate / self.entitled

    @property
    def throttled_share(self) -> float:
        """The share of posts answered 429."""
        return self.throttled / (self.posts + self.throttled)


@cache
def posts_ceiling() -> float:
    """How many posts a second the stand-in answers on this machine when nothing limits it; measured once."""
    command = [
        sys.executable,
        "-m",
        "tools.gateway",
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
    """Four lanes, and one, under AWS's quota, and under a lower one if this machine's gateway cannot carry that."""
    progressed(0, 1, "what the gateway can do")
    cases = [(quota, lanes) for quota in sorted({QUOTA, affordable_quota()}, reverse=True) for lanes in (LANES, 1)]
    attempts: list[Attempt] = []
    for quota, lanes in cases:
        progressed(len(attempts), len(cases), f"{lanes} of {LANES} lanes, {quota:,} posts a second")
        attempts.append(_attempt(quota, lanes))
    progressed(len(cases), len(cases), "")
    return _section(attempts)


def _attempt(quota: int, lanes: int) -> Attempt:
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
            "rate": quota * HEADROOM / LANES,
            "seconds": _SETTLING_SECONDS + _SECONDS + _SETTLING_SECONDS,
        }
        all_started = Barrier(lanes + 1, timeout=_START_SECONDS)
        running = [
            pool.submit(
                processes.run, _LANE, {**job, "connections": connections[lane::lanes]}, started=all_started.wait
            )
            for lane in range(lanes)
        ]
        all_started.wait()
        time.sleep(_SETTLING_SECONDS)
        before, cpu, started = _posts(base), processes.cpu_seconds(gateway), time.monotonic()
        time.sleep(_SECONDS)
        after, seconds = _posts(base), time.monotonic() - started
        gateway_share = (processes.cpu_seconds(gateway) - cpu) / seconds
        counted = [each.result() for each in running]
    return Attempt(
        quota=quota,
        lanes=lanes,
        posts=after["200"] - before["200"],
        throttled=after["429"] - before["429"],
        seconds=seconds,
        cpu_per_post=sum(each["cpu_seconds"] for each in counted) / sum(each["count"] for each in counted),
        gateway_share=gateway_share,
    )


def _path(ready: Mapping[str, Any], scheme: str) -> str:
    return f"{scheme}://{HOST}:{ready['port']}/{stand_in.API}/{stand_in.STAGE}"


def _posts(base: str) -> Counter[str]:
    """How many posts have been answered until now, by status."""
    return Counter(_get(f"{base}/stats")["posts"])


def _get(url: str) -> Any:
    request = Request(url, headers=dict(signed_by_root(stand_in.SECRET)("GET", url, None)))  # noqa: S310  # this machine's own gateway
    with urlopen(request) as answer:  # noqa: S310
        return json.load(answer)


def _section(attempts: Sequence[Attempt]) -> Section:
    rows = [
        (
            f"{each.lanes} of {LANES} lanes, {each.quota:,} a second",
            number(each.rate),
            percent(each.used),
            f"{each.throttled_share:.2%}",
            microseconds(each.cpu_per_post),
            percent(each.gateway_share),
        )
        for each in attempts
    ]
    together, alone = attempts[-2:]
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
            Table(
                "Posts accepted",
                (
                    "lanes",
                    "posts per second",
                    "of their quota",
                    "answered 429",
                    "worker's CPU per post",
                    "gateway busy",
                ),
                rows,
            )
        ],
        targets=[
            at_least(f"share of a quota of {together.quota:,}/s that four lanes use", together.used, 0.95, percent),
            at_most(
                f"share of their posts answered 429, at {together.quota:,}/s", together.throttled_share, 0.01, percent
            ),
            at_least("share of its own quota that one lane uses", alone.used, 0.95, percent),
        ],
    )
