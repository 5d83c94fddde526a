"""Benchmark 3: how many connections a CPU-second takes from the answers of Query to messages in the shards."""

import sys
from collections import defaultdict
from collections.abc import Callable

from tests.bench import processes
from tests.bench.clients.query_sources import SHAPES
from tests.bench.results import ResultTable, Section, at_least, median, microseconds, number
from tests.support import lambda_environment

TARGET = 150_000

_METHOD = """\
The handler of `query`, with its adapters and the SDK, on ready-made answers of DynamoDB and SQS (in place of
botocore's HTTP session): making, signing and reading of every call count, the HTTP connection and the server do
not. Chunks of {chunk}. A source is what `swarm` makes of about 4,000 recipients; the large partition is read in
pages of 1 MB of rows."""

_COMMAND = (sys.executable, "-m", "tests.bench.clients.query_sources")


def measure(rounds: int, seconds: float, progressed: Callable[[int, int, str], None]) -> Section:
    """Sources of several shapes in turn, `rounds` times."""
    core, _ = processes.cores()
    ids_per_second: dict[str, list[float]] = defaultdict(list)
    for done in range(rounds * len(SHAPES)):
        name = list(SHAPES)[done % len(SHAPES)]
        progressed(done, rounds * len(SHAPES), name)
        job = {"shape": name, "seconds": seconds}
        counted = processes.run(_COMMAND, job, core=core, environment=lambda_environment.environment())
        ids_per_second[name].append(counted["count"] / counted["cpu_seconds"])
    progressed(rounds * len(SHAPES), rounds * len(SHAPES), "")
    rates = {name: median(measured) for name, measured in ids_per_second.items()}
    usual = next(iter(SHAPES))
    return Section(
        title="query",
        method=_METHOD.format(chunk=lambda_environment.CHUNK_SIZE),
        tables=[
            ResultTable(
                "Recipients found, fixed and queued",
                ("source", "ids per CPU-second", "CPU per id"),
                [(name, number(rate), microseconds(1 / rate)) for name, rate in rates.items()],
            )
        ],
        targets=[at_least(f"ids per CPU-second of query, {usual}", rates[usual], TARGET, number)],
    )
