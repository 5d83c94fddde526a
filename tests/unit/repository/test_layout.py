"""Layout of the repository, and files that must not be in it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, files, folder_of, functions

FOLDERS = {
    *("terraform", "images", "functions", "shared", "clients", "tools", "tests", "docs"),
    *(".devcontainer", ".github", ".ci"),
}

LARGEST_BYTES = 1_000_000
LONGEST_HANDLER = 66

# A path of a developer's machine. The text before it distinguishes it from the path of a URL.
MACHINE_PATH = re.compile(r"(?<![\w.}*])/(work|root|home|Users)/\w")

# A suite by its name, or nothing where the names come after the word `import`.
MENTIONED = re.compile(r"\btests(?:\.(\w+)| import )")

WAYS_TO_SKIP = {"skip", "skipif", "xfail", "importorskip", "SkipTest", "skipTest", "skipIf", "skipUnless"}


def test_the_top_level_folders_match_the_design() -> None:
    """Everything has its place under one of the folders that the design names, and none of them is missing."""
    assert {path.parts[0] for path in files() if len(path.parts) > 1} == FOLDERS


@pytest.mark.parametrize("command", ["make demo", "make test"])
def test_the_readme_names_the_command(command: str) -> None:
    """A reader of the README alone can see the system run, and test it."""
    assert command in (ROOT / "README.md").read_text()


def test_no_file_is_large() -> None:
    """A large file is built or downloaded: a clone stays small."""
    assert [str(path) for path in files() if (ROOT / path).stat().st_size > LARGEST_BYTES] == []


def test_no_file_names_a_path_of_one_machine() -> None:
    """A file that works in one checkout works in every other."""
    assert [f"{path}: {line}" for path in files() for line in _lines(path) if MACHINE_PATH.search(line)] == []


@pytest.mark.parametrize("folder", ["work", "root", "home", "Users"])
@pytest.mark.parametrize("line", ["cd /{}/project", '"/{}/ann/x"', "PATH=/{}/ann", "https://docs.example/ is in /{}/x"])
def test_a_path_of_one_machine_is_recognised(folder: str, line: str) -> None:
    """Home folders and work folders are found anywhere in a line."""
    assert MACHINE_PATH.search(line.format(folder))


def test_a_path_in_a_url_is_accepted() -> None:
    """A web page may have a path of any name."""
    assert not MACHINE_PATH.search("https://docs.example/home/page")


@pytest.mark.parametrize("function", functions())
def test_a_handler_contains_only_wiring(function: str) -> None:
    """A function's work is written in its use case; its handler is short."""
    handler = folder_of(function) / "handler.py"
    assert len(handler.read_text().splitlines()) <= LONGEST_HANDLER


def test_no_test_is_skipped() -> None:
    """A test that cannot run here is no test: nothing skips one, or expects it to fail."""
    tests = {path: (ROOT / path).read_text() for path in files() if path.parts[0] == "tests" and path.suffix == ".py"}
    mentions = {path: source for path, source in tests.items() if any(way in source for way in WAYS_TO_SKIP)}
    assert len(tests) > len(mentions) > 0
    assert [f"{path}:{line}" for path, source in mentions.items() for line in _skips(source)] == []


@pytest.mark.parametrize(
    "source",
    [
        "@pytest.mark.skip\ndef test(): ...",
        "@pytest.mark.skipif(True, reason='')\ndef test(): ...",
        "pytest.importorskip('x')",
        "from pytest import xfail",
        "raise unittest.SkipTest",
    ],
)
def test_a_skipped_test_is_recognised(source: str) -> None:
    """Marks, calls and imports that skip are found."""
    assert len(list(_skips(source))) == 1


def test_no_suite_imports_from_another() -> None:
    """Code that several suites need is in `tests/support`, which imports from none of them."""
    tests = [path for path in files() if path.parts[0] == "tests" and len(path.parts) > 2 and path.suffix == ".py"]
    assert {path.parts[1] for path in tests} >= {"unit", "contract", "terraform", "integration", "e2e", "image"}
    assert [f"{path}:{line}" for path in tests for line in _foreign(path.parts[1], (ROOT / path).read_text())] == []


@pytest.mark.parametrize(
    ("suite", "source", "lines"),
    [
        ("unit", "from tests.contract.conftest import aws", [1]),
        ("e2e", "\nimport tests.unit.conftest", [2]),
        ("image", "def test():\n    from tests import unit", [2]),
        ("support", "from tests.unit import conftest", [1]),
        ("e2e", "from tests.e2e.scene import Scene\nfrom tests.support.waiting import eventually", []),
        ("unit", "from tests.bench.page import render", []),
    ],
)
def test_an_import_from_another_suite_is_recognised(suite: str, source: str, lines: list[int]) -> None:
    """In all its forms; the tests of the benchmarks, which are no suite, may import them."""
    assert list(_foreign(suite, source)) == lines


def _foreign(suite: str, source: str) -> Iterator[int]:
    own = {suite, "support"} | ({"bench", "mutation"} if suite == "unit" else set())
    if own.issuperset(MENTIONED.findall(source)):
        return
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module="tests", names=names):
                imported = [f"tests.{alias.name}" for alias in names]
            case ast.ImportFrom(module=str(module)):
                imported = [module]
            case ast.Import(names=names):
                imported = [alias.name for alias in names]
            case _:
                continue
        if any(name.startswith("tests.") and name.split(".")[1] not in own for name in imported):
            yield node.lineno


def _lines(path: Path) -> list[str]:
    try:
        return (ROOT / path).read_text().splitlines()
    except UnicodeDecodeError:
        return []  # not a text


def _skips(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(attr=name, lineno=line) if name in WAYS_TO_SKIP:
                yield line
            case ast.ImportFrom(names=names, lineno=line) if WAYS_TO_SKIP & {alias.name for alias in names}:
                yield line
