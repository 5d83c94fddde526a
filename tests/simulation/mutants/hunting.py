"""Every mutant is run until an invariant breaks; each must within a minute."""

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from tests.simulation.mutants.catalogue import MUTANTS
from tests.simulation.watch import UNEXPECTED

SECONDS = 60
"""Seconds that a mutant may stay undiscovered: of CPU, so that it does not depend on what else the machine does."""

_SEEDS = 2_000
_LONGEST_SECONDS = 900


@dataclass(frozen=True)
class Hunt:
    """Result of a mutant: `found` names the seed and the invariant, and is None for one that was not caught."""

    mutant: str
    found: str | None
    seconds: float


def hunt(mutant: str) -> Hunt:
    """Run seeds on a mutant, in a process of its own, until one fails; an error that no function knows is no catch."""
    begun = time.monotonic()
    seeds = ["--first", str(MUTANTS[mutant].first), "--seeds", str(_SEEDS)]
    arguments = ["--mutant", mutant, *seeds, "--jobs", "1", "--unexplained", "--seconds", str(SECONDS)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.simulation", *arguments],
            capture_output=True,
            text=True,
            timeout=_LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Hunt(mutant, None, _LONGEST_SECONDS)
    found = done.stdout.strip() if done.stdout.startswith("seed ") else None
    if found is not None and (UNEXPECTED in found) != MUTANTS[mutant].crashes:
        sys.stdout.write(f"{mutant}: {found[:300]}\n")
        found = None
    return Hunt(mutant, found, time.monotonic() - begun)


def hunt_all(jobs: int) -> int:
    """Run all mutants, so many at a time; 1 if one is not caught."""
    with ThreadPoolExecutor(jobs) as pool:
        not_caught = []
        for one in pool.map(hunt, MUTANTS):
            sys.stdout.write(f"{one.seconds:5.1f} s  {one.mutant}: {(one.found or 'NOT CAUGHT')[:140]}\n")
            sys.stdout.flush()
            not_caught += [one.mutant] if one.found is None else []
    sys.stdout.write(f"{len(MUTANTS) - len(not_caught)} of {len(MUTANTS)} mutants are caught\n")
    return int(bool(not_caught))
