"""The kill rate of a sample of mutants of `functions` and `loudhailer`, by the fast suites.

mutmut makes the mutants, chooses the tests of each by the functions that these call, and runs them in a fork. It wants
the sources in `src`, so a copy of the checkout is laid out that way in build/mutants. The report contains:
`report.md`, with the survivors' diffs, and `results.json`, the status of each mutant of the sample.

A mutant is in the sample if the hash of its name is among the lowest, so a change of a function changes no other's.
Mutants in `meaningless.txt` change no promise; each has its reason there.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import chdir
from hashlib import sha256
from pathlib import Path

from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.utils.format_utils import get_mutant_name

from tests.support import aws

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "mutants"
SOURCES = {
    "clients/javascript/src": "src/clients/javascript/src",
    "functions": "src/functions",
    "shared/loudhailer": "src/loudhailer",
}
MEANINGLESS = Path(__file__).with_name("meaningless.txt")
SIZE = 450
SEED = "loudhailer"
LEAST = 0.95
"""The part of the meaningful mutants that the fast suites must detect."""

_STATUS = {1: "killed", 3: "killed", 0: "survived", 33: "no tests", 5: "no tests"}


def lay_out() -> None:
    """Copy what git knows of the checkout, the sources into `src`; what has not changed keeps its mutants."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    for name in listed:
        source, target = ROOT / name, PLACE / name
        for folder, place in SOURCES.items():
            if name.startswith(f"{folder}/"):
                target = PLACE / place / name.removeprefix(f"{folder}/")
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)


def all_mutants() -> Iterable[str]:
    """The names of all mutants."""
    for place in SOURCES.values():
        for path in sorted((PLACE / place).rglob("*.py")):
            inside = path.relative_to(PLACE)
            for name in mutate_file_contents(str(inside), path.read_text()).mutant_names:
                yield get_mutant_name(inside, name)


def sample(names: Iterable[str], size: int, seed: str) -> list[str]:
    """So many of the names, the same for the same seed."""
    return sorted(sorted(names, key=lambda name: sha256(f"{seed} {name}".encode()).digest())[:size])


def statuses(names: list[str]) -> dict[str, str]:
    """Each mutant's status, as mutmut left it."""
    exit_codes: dict[str, int | None] = {}
    for path in (PLACE / "mutants" / "src").rglob("*.meta"):
        exit_codes |= json.loads(path.read_text())["exit_code_by_key"]
    return {name: _STATUS.get(exit_codes[name], "timeout") for name in names}  # type: ignore[arg-type]


def meaningless() -> set[str]:
    """The mutants that are listed with a reason."""
    return {line.split()[0] for line in MEANINGLESS.read_text().splitlines() if line and not line.startswith("#")}


def run(names: list[str], endpoint: str) -> None:
    """Run the mutants, with the contract tests on the local AWS at the endpoint."""
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", "run", *names],
        cwd=PLACE,
        env=os.environ | {aws.RUNNING: endpoint, aws.RUNNING_SECRET: aws.SECRET},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{done.stdout}\n{done.stderr}")


def main() -> None:
    """Run the sample, or the mutants named, and write the report."""
    parser = argparse.ArgumentParser(description="The kill rate of a sample of mutants, by the fast suites.")
    parser.add_argument("--size", type=int, default=SIZE)
    parser.add_argument("--seed", default=SEED)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--keep", action="store_true", help="go on in the folder of the run before")
    options = parser.parse_args()
    if not options.keep:
        shutil.rmtree(PLACE, ignore_errors=True)
    lay_out()
    names = options.names or sample(all_mutants(), options.size, options.seed)
    with tempfile.TemporaryDirectory() as directory, aws.running(Path(directory)) as endpoint:
        run(names, endpoint)
    found = statuses(names)
    counts = Counter(found.values())
    killed = counts["killed"] + counts["timeout"]
    undetected = [name for name, status in found.items() if status in {"survived", "no tests"}]
    missed = [name for name in undetected if name not in meaningless()]
    meant = killed + len(missed)
    summary = (
        f"{killed} of {len(names)} mutants detected ({killed / len(names):.1%}), "
        f"of the {meant} meaningful ones {killed / meant:.1%}: {dict(counts)}"
    )
    (PLACE / "results.json").write_text(json.dumps(found, indent=1))
    with chdir(PLACE):
        diffs = "\n".join(
            f"`{name}`: {found[name]}\n\n```diff\n{get_diff_for_mutant(name)}```\n"
            for name in [*missed, *sorted(set(undetected).difference(missed))]
        )
    (PLACE / "report.md").write_text(f"# Mutants\n\n{summary}\n\n{diffs}")
    print(summary, *missed, f"see {PLACE / 'report.md'}", sep="\n")  # noqa: T201
    if killed < LEAST * meant:
        sys.exit(f"The fast suites must detect {LEAST:.0%} of the meaningful mutants.")


if __name__ == "__main__":
    main()
