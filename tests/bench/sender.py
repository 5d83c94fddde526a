"""Benchmark 1: how many posts a CPU-second buys, this sender beside the clients that one would use in its place."""

import base64
import json
import math
import random
import secrets
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench import nginx, processes
from tests.bench.charts import bars
from tests.bench.machine import answer_of
from tests.bench.processes import BenchmarkError
from tests.bench.results import (
    Chart,
    ResultTable,
    Section,
    at_least,
    at_most,
    median,
    median_ratio,
    microseconds,
    number,
    percent,
    times,
)

PAYLOAD_BYTES = 512
TOKEN_CHARACTERS = 700
IN_FLIGHT = 64
LANE_RATES = (2_450, 9_800)

_METHOD = """\
Each client runs alone, pinned to one core, for {seconds:.0f} s after a warm-up, {rounds} rounds in turn (A B C ...
A B C ...); shown are medians, and ratios are medians of the ratios within a round. The figure is the CPU of the
client's process, all of its threads, user and system. On another core, nginx answers 200 to everything, with TLS 1.3
and keep-alive. All but wrk sign each post, with a session token of {token} characters and random connection ids, and
verify the certificate. The program wrk repeats one ready-made request: a floor, not a client of this API."""

_OURS, _BOTO3, _AIOBOTOCORE, _JAVASCRIPT, _WRK = "Loudhailer", "boto3", "aiobotocore", "JavaScript SDK v3", "wrk"
_CONNECTIONS = 5_000
_UNLIMITED = 1_000_000
_LAMBDA_IN_FLIGHT = 900
_WARM_UP_SECONDS = 0.5
_SCHEMES = ("TLS", "plain")
_CLIENTS = Path(__file__).with_name("clients")


@dataclass(frozen=True, slots=True)
class Program:
    """A client that posts, and in which way, for the table."""

    command: tuple[str, ...]
    way: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Measurements of one client in one round."""

    posts: int
    cpu_seconds: float
    seconds: float
    server_share: float

    @property
    def cpu_per_post(self) -> float:
        """In seconds, of the client's process alone."""
        return self.cpu_seconds / self.posts


def programs() -> dict[str, Program]:
    """The clients, without wrk where the machine has none; BenchmarkError if one is missing that every checkout has."""
    uv, node = shutil.which("uv"), shutil.which("node", path=str(Path(sys.executable).parent))
    if uv is None or node is None:
        raise BenchmarkError("uv and node (from the project's environment) are needed: run `make bench`.")
    python = (sys.executable, "-m")
    isolated = (uv, "run", "--quiet", "--locked", "--script", str(_CLIENTS / "aiobotocore_tasks.py"))
    found = {
        _OURS: Program((*python, "tests.bench.clients.curl_sender"), f"{IN_FLIGHT} in flight"),
        _BOTO3: Program((*python, "tests.bench.clients.boto3_threads"), "32 threads"),
        _AIOBOTOCORE: Program(isolated, f"{IN_FLIGHT} tasks"),
        _JAVASCRIPT: Program((node, str(_CLIENTS / "javascript_sdk.mjs")), f"{IN_FLIGHT} in flight, keep-alive"),
    }
    if nginx.find("wrk"):
        way = f"{IN_FLIGHT} connections; signs nothing, verifies no TLS"
        found[_WRK] = Program((*python, "tests.bench.clients.wrk"), way)
    return found


def versions() -> dict[str, str]:
    """The versions of the packages that only this benchmark uses."""
    script = (_CLIENTS / "aiobotocore_tasks.py").read_text()
    package = json.loads(Path(__file__).parents[1].joinpath("package.json").read_text())
    return {
        "nginx": answer_of(nginx.program("nginx"), "-v").rpartition("/")[2],
        "wrk": answer_of(wrk, "-v").split()[1] if (wrk := nginx.find("wrk")) else "none",
        "aiobotocore": script.partition("aiobotocore==")[2].partition('"')[0],
        "@aws-sdk/client-apigatewaymanagementapi": package["devDependencies"][
            "@aws-sdk/client-apigatewaymanagementapi"
        ],
        "Node.js": answer_of(str(Path(sys.executable).with_name("node")), "--version"),
    }


def measure(rounds: int, seconds: float, progressed: Callable[[int, int, str], None]) -> Section:
    """Every client over TLS and plain, in turn, `rounds` times."""
    clients = programs()
    measured: dict[tuple[str, str], list[Measure]] = defaultdict(list)
    paced: dict[int, list[Measure]] = defaultdict(list)
    total = rounds * (len(_SCHEMES) * len(clients) + len(LANE_RATES))
    done = 0
    core, server_core = processes.cores()
    with nginx.running(server_core) as server:
        for _ in range(rounds):
            job = _job(seconds)
            for scheme in _SCHEMES:
                for name, program in clients.items():
                    progressed(done, total, f"{name}, {scheme}")
                    measured[name, scheme].append(_run(program, server, scheme, job, core))
                    done += 1
            for rate in LANE_RATES:
                progressed(done, total, f"{rate:,} a second")
                at_rate = {**job, "rate": rate, "in_flight": _LAMBDA_IN_FLIGHT}
                paced[rate].append(_run(clients[_OURS], server, "TLS", at_rate, core))
                done += 1
    progressed(done, total, "")
    return _section(clients, measured, paced, seconds)


def _job(seconds: float) -> dict[str, Any]:
    """Return the instructions for all clients of one round."""
    chosen = random.Random(0)  # noqa: S311  # the same ids each time
    return {
        "region": "us-east-1",
        "access_key": "ASIAIOSFODNN7EXAMPLE",
        "secret_key": secrets.token_urlsafe(30),
        "token": base64.b64encode(chosen.randbytes(TOKEN_CHARACTERS)).decode()[:TOKEN_CHARACTERS],
        "payload": json.dumps({"type": "broadcast", "data": "x" * PAYLOAD_BYTES})[: PAYLOAD_BYTES - 2] + '"}',
        "connections": [base64.b64encode(chosen.randbytes(11)).decode() for _ in range(_CONNECTIONS)],
        "in_flight": IN_FLIGHT,
        "rate": _UNLIMITED,
        "warm_up_seconds": _WARM_UP_SECONDS,
        "seconds": seconds,
    }


def _run(program: Program, server: nginx.Server, scheme: str, job: Mapping[str, Any], core: int) -> Measure:
    before = server.cpu_seconds()

    def started() -> None:
        nonlocal before
        before = server.cpu_seconds()

    counted = processes.run(
        program.command,
        {**job, "endpoint": server.endpoints[scheme], "ca_file": str(server.ca_file), "wrk": nginx.find("wrk")},
        core=core,
        started=started,
    )
    share = (server.cpu_seconds() - before) / counted["seconds"]
    return Measure(counted["count"], counted["cpu_seconds"], counted["seconds"], share)


def _section(
    clients: Mapping[str, Program],
    measured: Mapping[tuple[str, str], list[Measure]],
    paced: Mapping[int, list[Measure]],
    seconds: float,
) -> Section:
    cost = {key: [each.cpu_per_post for each in measures] for key, measures in measured.items()}

    def ratio(name: str, to: str, scheme: str) -> float:
        return median_ratio(cost[name, scheme], cost[to, scheme]) if {name, to} <= clients.keys() else math.nan

    per_scheme = [
        ResultTable(
            f"512 bytes, {scheme}",
            (
                "client",
                "how",
                "posts per CPU-second",
                "CPU per post",
                "Loudhailer is",
                "posts per second",
                "nginx busy",
            ),
            [
                (
                    name,
                    program.way,
                    number(1 / median(cost[name, scheme])),
                    microseconds(median(cost[name, scheme])),
                    _compared(ratio(name, _OURS, scheme)) if name != _OURS else "",
                    number(median([each.posts / each.seconds for each in measured[name, scheme]])),
                    percent(median([each.server_share for each in measured[name, scheme]])),
                )
                for name, program in clients.items()
            ],
        )
        for scheme in _SCHEMES
    ]
    at_rates = ResultTable(
        "At a lane's rate, TLS",
        ("lane", "posts per second", "CPU per post", "of a core"),
        [
            (
                f"{rate:,} a second",
                number(median([each.posts / each.seconds for each in measures])),
                microseconds(median([each.cpu_per_post for each in measures])),
                percent(median([each.cpu_seconds / each.seconds for each in measures])),
            )
            for rate, measures in paced.items()
        ],
    )
    per_cpu_second = {name: 1 / median(cost[name, "TLS"]) for name in clients}
    rounds = len(cost[_OURS, "TLS"])
    return Section(
        title="Sender",
        method=_METHOD.format(seconds=seconds, rounds=rounds, token=TOKEN_CHARACTERS),
        tables=[*per_scheme, at_rates],
        targets=[
            at_least("posts per CPU-second over TLS, to boto3's", ratio(_BOTO3, _OURS, "TLS"), 40, times),
            at_least(
                "posts per CPU-second over TLS, to the JavaScript SDK's", ratio(_JAVASCRIPT, _OURS, "TLS"), 20, times
            ),
            at_most("CPU per post over TLS, to wrk's", ratio(_OURS, _WRK, "TLS"), 4, times),
            at_most("CPU per post over TLS, to wrk's (stretch)", ratio(_OURS, _WRK, "TLS"), 3, times),
        ],
        charts=[
            Chart(
                "bench-sender",
                "Posts per CPU-second over TLS, 512 bytes.",
                bars("Posts per CPU-second, TLS, 512 bytes", per_cpu_second),
            )
        ],
    )


def _compared(cost_to_ours: float) -> str:
    return f"{times(cost_to_ours)} cheaper" if cost_to_ours >= 1 else f"{times(1 / cost_to_ours)} dearer"
