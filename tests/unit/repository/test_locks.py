"""Everything that is installed is named by a lock, with its hash: nothing else from a package index runs here."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.support.checkout import ROOT, files

# Applications install the clients, with the versions of their own locks.
PROJECTS = [path.parent for path in files() if path.name == "pyproject.toml" and path.parts[0] != "clients"]
SCRIPTS = [path for path in files() if path.suffix == ".py" and "\n# /// script\n" in f"\n{(ROOT / path).read_text()}"]
REQUIREMENTS = [path for path in files() if path.name.endswith("requirements.txt")]
# uv's ways to resolve what it installs while it runs, and pip's without hashes.
UNLOCKED = re.compile(
    r"\b(?:uvx|uv tool (?:run|install)|pip install(?!.*--require-hashes)|npm (?:install|i|exec)|npx) "
)


def _toml(path: Path) -> dict[str, Any]:
    """A file of the checkout."""
    return tomllib.loads((ROOT / path).read_text())


@pytest.mark.parametrize(
    "lock", [*(path / "uv.lock" for path in PROJECTS), *(Path(f"{path}.lock") for path in SCRIPTS)], ids=str
)
def test_every_package_of_a_lock_has_its_hashes(lock: Path) -> None:
    """Each project and each script that uv runs has a lock; only the project itself has no file to hash."""
    packages = _toml(lock)["package"]
    assert len(packages) > 1
    for package in packages:
        if "registry" in package["source"]:
            distributions = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
            assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each["hash"]) for each in distributions)
            assert distributions
        else:
            assert package["source"] in ({"editable": "."}, {"virtual": "."})


@pytest.mark.parametrize("project", PROJECTS, ids=str)
def test_builds_use_only_locked_packages(project: Path) -> None:
    """A source distribution, or the project itself, would be built with whatever its build system asks for."""
    settings = _toml(project / "pyproject.toml")
    uv = settings["tool"]["uv"]
    assert uv["no-build"] is True
    if uv.get("package", True):
        assert uv["no-build-isolation-package"] == [settings["project"]["name"]]
        locked = {package["name"]: package["version"] for package in _toml(project / "uv.lock")["package"]}
        assert settings["build-system"]["requires"]
        for requirement in map(Requirement, settings["build-system"]["requires"]):
            assert requirement.specifier.contains(locked[requirement.name])


@pytest.mark.parametrize("requirements", REQUIREMENTS, ids=str)
def test_every_requirement_has_a_hash(requirements: Path) -> None:
    """The lines that pip installs by name one version each, and its hashes."""
    text = re.sub(r"^#.*\n", "", (ROOT / requirements).read_text(), flags=re.MULTILINE)
    entries = [entry for entry in text.replace("\\\n", " ").splitlines() if entry.strip()]
    assert entries
    assert [
        entry for entry in entries if not re.fullmatch(r"\S+==\S+( .*)?( +--hash=sha256:[0-9a-f]{64})+", entry)
    ] == []


def test_every_package_of_npm_has_its_hash() -> None:
    """`npm ci` checks it, and installs nothing that the lock does not name."""
    packages = json.loads((ROOT / "tests/package-lock.json").read_text())["packages"]
    assert len(packages) > 1
    assert [name for name, package in packages.items() if name and "integrity" not in package] == []


def test_no_target_and_no_workflow_installs_past_a_lock() -> None:
    """`uvx`, for one, takes the newest of every package that its tool asks for."""
    recipes = [
        Path("Makefile"),
        Path(".ci/run"),
        *(path for path in files() if path.parts[0] in {".github", ".devcontainer"}),
    ]
    commands = [
        line for path in recipes for line in (ROOT / path).read_text().splitlines() if not line.lstrip().startswith("#")
    ]
    assert [line for line in commands if UNLOCKED.search(line)] == []
    uv = [line for line in commands if re.search(r"\buv run\b", line)]
    assert uv
    assert [line for line in uv if "--frozen" not in line] == []


@pytest.mark.parametrize(
    "command", ["uvx checkov", "uv tool run x==1", "python -m pip install x", "npx wscat", "npm install x"]
)
def test_an_installation_past_a_lock_is_recognised(command: str) -> None:
    """Each of the ways that the tools offer."""
    assert UNLOCKED.search(command)
