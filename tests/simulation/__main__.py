"""Run seeds of the simulation, and explain the first one that fails.

    python -m tests.simulation --seeds 1000          the seeds 0 to 999, in as many processes as there are cores
    python -m tests.simulation --seed 31             one seed; if it fails, shrunk and step by step

The order of a set of strings depends on a number that Python chooses for each process; so it is fixed here.
"""

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import batched

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "simulation")

_HASHING = "PYTHONHASHSEED"
_CHUNK = 10


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for; 1 if an invariant breaks."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", help="run this one, and explain it if it fails")
    parser.add_argument("--steps", action="store_true", help="tell all its steps, whether it fails or not")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes run them")
    parser.add_argument("--calls", type=int, help="the calls of a run, before it is brought to rest")
    parser.add_argument(
        "--with", dest="switched_on", action="append", default=[], metavar="NAME", help="switch a known fault on"
    )
    parser.add_argument("--mutant", help="change the shipped code by this mutant first")
    chosen = parser.parse_args(arguments)
    if chosen.mutant is not None:
        from tests.simulation import mutants  # noqa: PLC0415  # before the code that it changes is imported

        mutants.apply(chosen.mutant)
    from tests.simulation import faults, running, shrinking  # noqa: PLC0415  # after the mutant, and Powertools' environment

    calls: int = chosen.calls or running.CALLS
    switched_on: list[str] = chosen.switched_on
    if chosen.seed is not None:
        scenario = running.Scenario.of(chosen.seed, calls, switched_on)
        if chosen.steps:
            return shrinking.tell(running.run(scenario, trace=True))
        return shrinking.explain(scenario)
    begun, made, struck = time.monotonic(), 0, Counter[str]()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with ProcessPoolExecutor(chosen.jobs) as pool:
        chunks = [
            pool.submit(running.run_all, chunk, calls, switched_on) for chunk in batched(seeds, _CHUNK, strict=False)
        ]
        for chunk in chunks:
            summary = chunk.result()
            made += summary.calls
            struck += summary.faults
            if summary.failed is not None:
                pool.shutdown(cancel_futures=True)
                return shrinking.explain(running.Scenario.of(summary.failed, calls, switched_on))
    seconds = time.monotonic() - begun
    for kind in faults.RATES:
        _print(f"{struck[kind]:8,} times: {kind}")
    _print(f"{len(seeds)} seeds, {made:,} calls in {seconds:.0f} s: every invariant holds")
    if not_struck := [kind for kind in faults.RATES if not struck[kind]]:
        _print(f"These faults never struck, so nothing is known of them: {'; '.join(not_struck)}")
        return 1
    return 0


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    if os.environ.get(_HASHING) != "0":
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, _HASHING: "0"})  # noqa: S606  # this program, once more
    sys.exit(main(sys.argv[1:]))
