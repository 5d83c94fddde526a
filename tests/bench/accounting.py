"""Benchmark 4: how many records of the stream a CPU-second counts."""

import sys
from collections import defaultdict
from collections.abc import Callable

from tests.bench import processes
from tests.bench.clients.accounting_batches import BATCHES, RECORDS, STORES
from tests.bench.results import ResultTable, Section, at_least, median, microseconds, number
from tests.support import lambda_environment

TARGET = 20_000

_METHOD = """\
The handler of `accounting` on batches of {records:,} records, on DynamoDB's ready-made answers as above (the SDK's
work counts, the database's does not), and the use case alone on in-memory stores. There is one write for each
partition and batch; a connection that closes is also taken out of its session's set, one write for each session."""

_COMMAND = (sys.executable, "-m", "tests.bench.clients.accounting_batches")


def measure(rounds: int, seconds: float, progressed: Callable[[int, int, str], None]) -> Section:
    """Batches of several kinds on both kinds of stores, in turn, `rounds` times."""
    core, _ = processes.cores()
    cases = [(batch, store) for batch in BATCHES for store in STORES]
    per_second: dict[tuple[str, str], list[float]] = defaultdict(list)
    for done in range(rounds * len(cases)):
        batch, store = cases[done % len(cases)]
        progressed(done, rounds * len(cases), f"{batch}, {store}")
        job = {"batch": batch, "store": store, "seconds": seconds / 2}
        counted = processes.run(_COMMAND, job, core=core, environment=lambda_environment.environment())
        per_second[batch, store].append(counted["count"] / counted["cpu_seconds"])
    progressed(rounds * len(cases), rounds * len(cases), "")
    rates = {case: median(measured) for case, measured in per_second.items()}
    rows = [
        (batch, *(number(rates[batch, store]) for store in STORES), microseconds(1 / rates[batch, STORES[0]]))
        for batch in BATCHES
    ]
    return Section(
        title="accounting",
        method=_METHOD.format(records=RECORDS),
        tables=[
            ResultTable(
                "Records counted per CPU-second",
                ("batch", *STORES, "CPU per record with the SDK"),
                rows,
            )
        ],
        targets=[
            at_least(f"records per CPU-second of accounting, {batch}", rates[batch, STORES[0]], TARGET, number)
            for batch in BATCHES
        ],
    )
