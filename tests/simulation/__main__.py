"""Run seeds of the simulation, and explain the first one that fails.

    python -m tests.simulation --seeds 1000          the seeds 0 to 999, in as many processes as there are cores
    python -m tests.simulation --seed 31             one seed; if it fails, shrunk and step by step
    python -m tests.simulation --mutants             every mutant of the shipped code, until an invariant breaks
    python -m tests.simulation --crowd 1000000       one broadcast to a million connections

The order of a set of strings depends on a number that Python chooses for each process; so it is fixed here.
"""

import argparse
import os
import resource
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from itertools import batched

os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "Loudhailer")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "simulation")

_HASHING = "PYTHONHASHSEED"
_CHUNK = 5


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for; 1 if an invariant breaks, or a mutant breaks none."""
    chosen = _parser().parse_args(arguments)
    if chosen.seconds is not None:
        resource.setrlimit(resource.RLIMIT_CPU, (chosen.seconds, chosen.seconds))
    if chosen.mutants:
        from tests.simulation.mutants import hunting  # noqa: PLC0415  # it runs this command again

        return hunting.hunt_all(chosen.jobs)
    if chosen.mutant is not None:
        from tests.simulation import mutants  # noqa: PLC0415  # before the code that it changes is imported

        mutants.apply(chosen.mutant)
    if chosen.crowd is not None:
        from tests.simulation import crowd  # noqa: PLC0415  # after Powertools' environment

        return crowd.run(chosen.crowd)
    if chosen.seed is not None:
        return _run_one(chosen)
    return _run_many(chosen)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seed", help="run this one, and explain it if it fails")
    parser.add_argument("--steps", action="store_true", help="tell all its steps, whether it fails or not")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many to run")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes run them")
    parser.add_argument("--calls", type=int, default=2_000, help="the calls of a run, before it is brought to rest")
    parser.add_argument("--mutant", help="change the shipped code by this mutant first")
    parser.add_argument("--mutants", action="store_true", help="run every mutant until an invariant breaks")
    parser.add_argument("--crowd", type=int, help="send one broadcast to so many connections")
    parser.add_argument("--seconds", type=int, help="how much CPU a process may take")
    parser.add_argument("--unexplained", action="store_true", help="name the seed that fails, and say no more")
    return parser


def _run_one(chosen: argparse.Namespace) -> int:
    from tests.simulation import running, shrinking  # noqa: PLC0415  # after the mutant, and Powertools' environment

    scenario = running.SimulatedScenario.of(chosen.seed, chosen.calls)
    if chosen.steps:
        return shrinking.tell(running.run(scenario, trace=True))
    return shrinking.explain(scenario)


def _run_many(chosen: argparse.Namespace) -> int:
    from tests.simulation import faults, running, shrinking  # noqa: PLC0415  # as above

    begun, made, struck = time.monotonic(), 0, Counter[str]()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with ProcessPoolExecutor(chosen.jobs) as pool:
        chunks = [pool.submit(running.run_all, chunk, chosen.calls) for chunk in batched(seeds, _CHUNK, strict=False)]
        for chunk in chunks:
            summary = chunk.result()
            made += summary.calls
            struck += summary.faults
            if summary.failed is not None:
                pool.shutdown(cancel_futures=True)
                if chosen.unexplained:
                    _print(f"seed {summary.failed}: {summary.text}")
                    return 1
                return shrinking.explain(running.SimulatedScenario.of(summary.failed, chosen.calls))
    for kind in faults.RATES:
        _print(f"{struck[kind]:8,} times: {kind}")
    _print(f"{len(seeds)} seeds, {made:,} calls in {time.monotonic() - begun:.0f} s: every invariant holds")
    if not_struck := [kind for kind in faults.RATES if not struck[kind]]:
        _print(f"These faults never struck, so nothing is known of them: {'; '.join(not_struck)}")
    return int(bool(not_struck))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    if os.environ.get(_HASHING) != "0":
        again = [sys.executable, "-m", "tests.simulation", *sys.argv[1:]]
        os.execve(sys.executable, again, {**os.environ, _HASHING: "0"})  # noqa: S606  # this program, once more
    sys.exit(main(sys.argv[1:]))
