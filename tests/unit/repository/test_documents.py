"""The documents agree with the tree: links lead somewhere, decisions are listed, dependencies have a reason."""

import json
import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, files

DOCUMENTS = [path for path in files() if path.suffix == ".md"]
CURRENT = [path for path in DOCUMENTS if path.parts[:2] != ("docs", "decisions") and path.name != "CHANGELOG.md"]
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md"))

FENCED = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: +(\S+)", re.MULTILINE)
SOURCE_FILE = re.compile(r"`((?!build/)[\w.-]+/[\w./-]+\.(?:py|tf|hcl|md|js|mjs|json|toml|yml))`")
HEADING = re.compile(r"^#{1,6} +(.+?)$", re.MULTILINE)
ELSEWHERE = re.compile(r"[a-z]+:")

DECISION = re.compile(
    r"# (?P<number>\d{4})\. (?P<title>.+)\n\n"
    r"- Date: (?P<date>\d{4}-\d\d-\d\d)\n"
    r"- Status: (?P<status>accepted|proposed|superseded by \[?\d{4}\b.*?)(?:; [^\n]+)?\n\n"  # and the change
    r"## Context\n\n.+## Decision\n\n.+## Rejected\n\n.+## Consequences\n\n.+",
    re.DOTALL,
)
REQUIREMENT = re.compile(r"[\w-]+")


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a document."""
    found: dict[str, int] = {}
    for heading in HEADING.findall(FENCED.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
        found[anchor] = found.get(anchor, -1) + 1
    return {
        anchor if number == 0 else f"{anchor}-{number}" for anchor, most in found.items() for number in range(most + 1)
    }


def broken_links(root: Path, document: Path) -> Iterator[str]:
    """Yield each relative link of a document that leads to no file, or to no heading of that file."""
    text = CODE.sub("", FENCED.sub("", (root / document).read_text()))
    for inline, reference in LINK.findall(text):
        target = inline or reference
        if ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        file = (root / document.parent / path) if path else root / document
        if not file.exists() or (anchor and (file.suffix != ".md" or anchor not in anchors(file.read_text()))):
            yield target


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_relative_links_lead_to_files_and_headings_that_exist(document: Path) -> None:
    """A moved file or a renamed heading is found by this test, not by a reader."""
    assert list(broken_links(ROOT, document)) == []


@pytest.mark.parametrize(
    ("link", "is_broken"),
    [
        ("[x](other.md)", False),
        ("[x](other.md#a-heading-twice-1)", False),
        ("[x](#the-title-of-this-page)", False),
        ("[x](https://example.com/missing.md)", False),
        ("`[x](missing.md)`", False),
        ("```\n[x](missing.md)\n```", False),
        ("[x](missing.md)", True),
        ("[x](other.md#missing)", True),
        ("[x](#missing)", True),
        ("[x]: missing.md", True),
    ],
)
def test_a_broken_link_is_recognised(tmp_path: Path, link: str, *, is_broken: bool) -> None:
    """Links to missing files and headings are reported; examples in code and other sites are not."""
    (tmp_path / "page.md").write_text(f"# The title, of `this` page\n\n{link}\n")
    (tmp_path / "other.md").write_text("## A heading, twice\n\n## A heading twice\n\n```sh\n# missing\n```\n")
    assert bool(list(broken_links(tmp_path, Path("page.md")))) is is_broken


def missing_files(text: str, paths: Iterable[Path]) -> set[str]:
    """The source files that a document names by their folder and that do not exist, as `folder/file.py`."""
    endings = {"/".join(path.parts[-length:]) for path in paths for length in range(1, len(path.parts) + 1)}
    return set(SOURCE_FILE.findall(text)) - endings


@pytest.mark.parametrize("document", CURRENT, ids=str)
def test_a_document_names_files_that_exist(document: Path) -> None:
    """A reader who looks a rule up in the code finds it; decisions keep the names of their day."""
    assert missing_files((ROOT / document).read_text(), files()) == set()


def test_a_missing_file_is_recognised() -> None:
    """A path may begin at any folder; results of a build and bare names of files are no paths."""
    text = "`lending/policy.py`, `delivery/policy.py`, `lanes/policy.py`, `policy.py`, `build/mutants/report.md`"
    assert missing_files(text, [Path("delivery/lending/policy.py")]) == {"delivery/policy.py", "lanes/policy.py"}


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_every_part_and_is_listed(path: Path) -> None:
    """Its number is that of its file, and the index repeats its title, date and status."""
    decision = DECISION.fullmatch(path.read_text())
    assert decision is not None
    assert path.name.startswith(f"{decision['number']}-")
    row = f"| [{decision['number']}]({path.name}) | {decision['title']} | {decision['date']} | {decision['status']} |"
    assert row in (path.parent / "README.md").read_text().splitlines()


def test_decisions_are_numbered_without_a_gap() -> None:
    """A number is used once, so that it names one decision."""
    assert [path.name[:4] for path in DECISIONS] == [f"{number:04d}" for number in range(1, len(DECISIONS) + 1)]


def test_every_dependency_has_a_reason() -> None:
    """Each package of `pyproject.toml` and `tests/package.json` is in a row of `docs/dependencies.md`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    requirements = [REQUIREMENT.match(requirement) for group in groups for requirement in group]
    packages = {match[0] for match in requirements if match}
    packages |= json.loads((ROOT / "tests" / "package.json").read_text())["devDependencies"].keys()
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert packages - {name for row in rows for name in row.split(", ")} == set()
