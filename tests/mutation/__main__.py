"""The kill rate of a sample of mutants of `functions` and `loudhailer`, by the fast suites.

mutmut makes the mutants, chooses the tests of each by the functions that these call, and runs them in a fork. It wants
the sources in `src`, so a copy of the checkout is laid out that way in build/mutants. The report contains:
`report.md`, with the survivors' diffs, and `results.json`, the status of each mutant of the sample.

A mutant is in the sample if the hash of its name is among the lowest, so a change of a function changes no other's.
Mutants in `meaningless.txt` change no promise; each has its reason there. The command fails unless each of these is
still a mutant, and if mutmut has not run a mutant.
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
from difflib import unified_diff
from functools import cache
from hashlib import sha256
from pathlib import Path

import libcst
from mutmut.mutation.diff_apply import read_mutant_function, read_original_function
from mutmut.mutation.file_mutation import mutate_file_contents
from mutmut.stats import status_by_exit_code
from mutmut.utils.format_utils import (
    get_module_from_key,
    get_mutant_name,
    orig_function_and_class_names_from_key,
)

from tests.mutation.meaningless import MEANINGLESS, ListedMutant, entries
from tests.support import aws

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "build" / "mutants"
SOURCES = {
    "clients/javascript/src": "src/clients/javascript/src",
    "functions": "src/functions",
    "shared/loudhailer": "src/loudhailer",
}
SIZE = 450
SEED = "loudhailer"
LEAST = 0.95
"""The part of the meaningful mutants that the fast suites must detect."""

_POSITIONS = ("---", "+++", "@@")
"""Beginnings of the lines of a difference that say where it is."""

_DETECTED = {"killed", "timeout"}
_UNDETECTED = {"survived", "no tests"}


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


@cache
def mutated(path: Path) -> tuple[str, list[str]]:
    """The text of a source file with all its mutants, and their names."""
    inside = path.relative_to(PLACE)
    file = mutate_file_contents(str(inside), path.read_text())
    return file.code, [get_mutant_name(inside, name) for name in file.mutant_names]


@cache
def module_with(path: Path) -> libcst.Module:
    """A source file with all its mutants, parsed."""
    return libcst.parse_module(mutated(path)[0])


def sources() -> list[Path]:
    """The files of the sources as they are laid out."""
    return [path for place in SOURCES.values() for path in sorted((PLACE / place).rglob("*.py"))]


def source_of(name: str) -> Path:
    """The file of a mutant."""
    path = PLACE / "src" / get_module_from_key(name).replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def all_mutants() -> Iterable[str]:
    """The names of all mutants."""
    for path in sources():
        yield from mutated(path)[1]


def difference(name: str) -> str:
    """The lines that a mutant changes, with some around them."""
    module = module_with(source_of(name))
    functions = (read_original_function(module, name), read_mutant_function(module, name))
    before, after = (libcst.Module([function]).code.strip().split("\n") for function in functions)
    return "\n".join(line for line in unified_diff(before, after, lineterm="") if not line.startswith(_POSITIONS))


def function_of(name: str) -> str:
    """The module, class and name of a mutant's function, with dots between."""
    function, owner = orig_function_and_class_names_from_key(name)
    return ".".join(filter(None, (get_module_from_key(name), owner, function)))


def entry_of(name: str) -> ListedMutant:
    """Identify a mutant by the lines that it changes: mutmut numbers them again after each edit of their function."""
    lines = difference(name).split("\n")
    changed = "\n".join(f"{line[0]}{line[1:].strip()}" for line in lines if line.startswith(("-", "+")))
    return ListedMutant(function_of(name), sha256(changed.encode()).hexdigest()[:12])


def meaningless(listed: set[ListedMutant], names: Iterable[str]) -> set[str]:
    """The mutants that are listed with a reason; the command ends unless each entry is one mutant's."""
    functions = {entry.function for entry in listed}
    found = {name: entry_of(name) for name in names if function_of(name) in functions}
    matches = Counter(found.values())
    if wrong := sorted(entry for entry in listed if matches[entry] != 1):
        lines = "\n".join(f"{entry.function} {entry.digest}: {matches[entry]} mutants" for entry in wrong)
        sys.exit(f"Each entry of {MEANINGLESS.name} must be that of one mutant, and these are not:\n{lines}")
    return {name for name, entry in found.items() if entry in listed}


def sample(names: Iterable[str], size: int, seed: str) -> list[str]:
    """So many of the names, the same for the same seed."""
    return sorted(sorted(names, key=lambda name: sha256(f"{seed} {name}".encode()).digest())[:size])


def statuses(names: list[str]) -> dict[str, str]:
    """Each mutant's status, as mutmut left it."""
    exit_codes: dict[str, int | None] = {}
    for path in (PLACE / "mutants" / "src").rglob("*.meta"):
        exit_codes |= json.loads(path.read_text())["exit_code_by_key"]
    return {name: status_by_exit_code[exit_codes.get(name)] for name in names}


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
    everything = list(all_mutants())
    excused = meaningless(set(entries()), everything)
    names = options.names or sample(everything, options.size, options.seed)
    with tempfile.TemporaryDirectory() as directory, aws.running(Path(directory)) as endpoint:
        run(names, endpoint)
    report(statuses(names), excused)


def report(found: dict[str, str], excused: set[str]) -> None:
    """Write the report; the command ends with an error if too many mutants are missed, or if one was not run."""
    counts = Counter(found.values())
    killed = sum(counts[status] for status in _DETECTED)
    undetected = sorted(
        (name for name, status in found.items() if status in _UNDETECTED), key=lambda name: name in excused
    )
    missed = [name for name in undetected if name not in excused]
    meant = killed + len(missed)
    summary = (
        f"{killed} of {len(found)} mutants detected ({killed / len(found):.1%}), "
        f"of the {meant} meaningful ones {killed / max(meant, 1):.1%}: {dict(counts)}"
    )
    (PLACE / "results.json").write_text(json.dumps(found, indent=1))
    diffs = "\n".join(_described(name, found[name], excused) for name in undetected)
    (PLACE / "report.md").write_text(f"# Mutants\n\n{summary}\n\n{diffs}")
    print(summary, *missed, f"see {PLACE / 'report.md'}", sep="\n")  # noqa: T201
    if broken := [f"{name}: {status}" for name, status in found.items() if status not in _DETECTED | _UNDETECTED]:
        sys.exit("\n".join(["These mutants have no result:", *broken]))
    if killed < LEAST * meant:
        sys.exit(f"The fast suites must detect {LEAST:.0%} of the meaningful mutants.")


def _described(name: str, status: str, excused: set[str]) -> str:
    """A mutant that no test noticed, with the entry that would excuse it."""
    entry = entry_of(name)
    note = ", meaningless" if name in excused else ""
    return f"`{name}`: {status}{note}, `{entry.function} {entry.digest}`\n\n```diff\n{difference(name)}\n```\n"


if __name__ == "__main__":
    main()
