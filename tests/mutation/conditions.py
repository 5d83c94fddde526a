"""The conditions of DynamoDB, weakened part by part: which of them does the store's contract test not notice?

mutmut leaves these conditions out, since they are constants. Here each part of a condition becomes always true beside
an AND, or always false beside an OR; a condition of one part becomes always true. Then the contract tests of that store
run: on the simulated tables, and if these pass on the local AWS. The command lists the parts that no test misses, and
fails if there is one.

Not looked at: conditions on keys, which DynamoDB would refuse, and statements of PartiQL.
"""

import argparse
import ast
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType
from typing import override

import pytest

from tests.support import aws
from tests.support.checkout import ROOT, files

MISSING = "isMissing"
"""An attribute that no row has."""

_CONDITION = re.compile(r"attribute_|(?:[<>]=?|<>|=) :|\} AND | AND \{")
_OTHER = re.compile(r"[\s,]|SET |ADD |REMOVE |DELETE |SELECT |UPDATE |.*\?")
_LITERAL = re.compile(r'f?"([^"\n]*)"')
_WITH_ALL_FUNCTIONS = {"test_control_functions.py", "test_cells_in_accounts.py", "test_handlers.py"}
_SIMULATED = re.compile("SIMULATED|ADAPTERS|WITHOUT_MOTO")


@dataclass(frozen=True)
class Weakening:
    """A condition of a file with one part that decides nothing.

    Attributes:
        line: the line of the condition.
        text: the condition as it is.
        changed: the condition with the part that decides nothing.
        source: the whole file with it.
    """

    line: int
    text: str
    changed: str
    source: str


def weakened(condition: str, *, is_whole: bool = True) -> Iterator[str]:
    """The condition, each time with another part that decides nothing."""
    for word in ("OR", "AND"):
        parts = _split(condition, f" {word} ")
        if len(parts) > 1:
            for place, part in enumerate(parts):
                for other in (_undecided(part, word), *weakened(part, is_whole=False)):
                    yield f" {word} ".join([*parts[:place], other, *parts[place + 1 :]])
            return
    if condition.startswith("("):
        yield from (f"({other})" for other in weakened(condition[1:-1], is_whole=False))
    elif is_whole:
        yield _undecided(condition, "AND")


def _undecided(part: str, word: str) -> str:
    """Make a part always true beside AND, always false beside OR; it still uses its values, as DynamoDB demands."""
    return f"(({part}) {'OR attribute_not_exists' if word == 'AND' else 'AND attribute_exists'}({MISSING}))"


def _split(condition: str, separator: str) -> list[str]:
    """The parts of a condition between separators that are in no parentheses."""
    parts, depth, begin = [], 0, 0
    for place, one in enumerate(condition):
        depth += (one == "(") - (one == ")")
        if depth == 0 and condition.startswith(separator, place):
            parts.append(condition[begin:place])
            begin = place + len(separator)
    return [*parts, condition[begin:]]


def weakenings(source: str) -> Iterator[Weakening]:
    """Every condition in the text of a module, weakened in each of its parts."""
    module = ast.parse(source)
    no_conditions = {
        id(node.value)
        for node in ast.walk(module)
        if isinstance(node, ast.Expr) or (isinstance(node, ast.keyword) and node.arg == "KeyConditionExpression")
    }
    begins = [0]
    for line in source.encode().splitlines(keepends=True):
        begins.append(begins[-1] + len(line))
    for node in ast.walk(module):
        if id(node) in no_conditions or not isinstance(node, ast.Constant | ast.JoinedStr):
            continue
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        begin, end = begins[node.lineno - 1] + node.col_offset, begins[end_line - 1] + end_column
        before, literal, after = (
            part.decode() for part in (source.encode()[:begin], source.encode()[begin:end], source.encode()[end:])
        )
        found = _LITERAL.fullmatch(literal)
        if found is None or _OTHER.match(found[1]) or not _CONDITION.search(found[1]):
            continue
        for changed in weakened(found[1]):
            yield Weakening(node.lineno, found[1], changed, before + literal.replace(found[1], changed) + after)


def contracts_of(store: Path) -> list[list[str]]:
    """Return arguments of pytest: the contract tests that import a store, on the simulated tables, then on others."""
    module = module_in(store)
    tests = [
        path
        for path in sorted((ROOT / "tests" / "contract").glob("test_*.py"))
        if path.name not in _WITH_ALL_FUNCTIONS and f"from {module} import" in path.read_text()
    ]
    names = [str(path.relative_to(ROOT)) for path in tests]
    simulated = [str(path.relative_to(ROOT)) for path in tests if _SIMULATED.search(path.read_text())]
    found = [[*simulated, "-k", "simulated"]] if simulated else []
    return [*found, [*names, "-k", "not (simulated or moto)"]] if names else []


def module_in(store: Path) -> str:
    """The name of the module in a file of the sources."""
    return ".".join(store.with_suffix("").parts).removeprefix("shared.")


class ChangedModule(MetaPathFinder, InspectLoader):
    """Lets a module be imported from another text than its file's."""

    def __init__(self, name: str, source: str) -> None:
        self._name = name
        self._source = source

    @override
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self._name else None

    @override
    def get_source(self, fullname: str) -> str:
        return self._source


def passes(contract: list[str], store: Path, source: str) -> bool:
    """Tell whether contract tests pass with this text of a store, in a fork; the command ends if they do not run."""

    def run() -> None:
        sys.meta_path.insert(0, ChangedModule(module_in(store), source))
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
            sys.exit(pytest.main(["-q", "-x", "-p", "no:cacheprovider", "--timeout=300", *contract]))

    process = get_context("fork").Process(target=run)
    process.start()
    process.join()
    if process.exitcode not in {0, 1}:
        sys.exit(f"pytest {' '.join(contract)} ends with {process.exitcode}.")
    return process.exitcode == 0


def main() -> None:
    """Weaken the conditions of all stores, or of the ones whose paths contain a text."""
    parser = argparse.ArgumentParser(description="The conditions of DynamoDB that no contract test misses.")
    parser.add_argument("part", nargs="?", default="", help="a part of the path of a store")
    options = parser.parse_args()
    count, missed = 0, []
    with tempfile.TemporaryDirectory() as directory, aws.running(Path(directory)) as endpoint:
        os.environ |= {aws.RUNNING: endpoint, aws.RUNNING_SECRET: aws.SECRET}
        for store in [path for path in files() if path.name == "dynamodb.py" and options.part in str(path)]:
            before = (ROOT / store).read_text()
            contracts, found = contracts_of(store), list(weakenings(before))
            if found and not (contracts and all(passes(contract, store, before) for contract in contracts)):
                sys.exit(f"{store} has conditions, and no contract tests that pass.")
            for weakening in found:
                count += 1
                if all(passes(contract, store, weakening.source) for contract in contracts):
                    missed.append(weakening)
                    print(f"{store}:{weakening.line}: {weakening.text}\n    {weakening.changed}", flush=True)  # noqa: T201
    print(f"{count - len(missed)} of {count} weakened conditions are noticed.")  # noqa: T201
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()
