"""The Makefile: what it lists, what it runs, and what it says when something is missing."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT, files
from tests.unit.repository.conftest import Machine

MAKE = shutil.which("make") or "make"


def _make(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout, with the caller's PATH or another, as if no other make had called."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = inherited if path is None else {"PATH": str(path)}
    return subprocess.run(
        [MAKE, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def complete(machine: Machine) -> Machine:
    """A machine with all prerequisites; its uv tells what it is asked for."""
    machine.install("uv", 'echo "uv $*"')
    machine.install("terraform", "echo 'Terraform v1.11.0'")
    return machine


def test_bare_make_lists_every_target() -> None:
    """Nobody needs to read the Makefile to use it."""
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    listed = set(re.findall(r"^  ([a-z0-9-]+) +\S", _make().stdout, re.MULTILINE))
    assert listed == targets - {"browser", "engine", "prerequisites"}


def test_every_suite_is_run() -> None:
    """No folder of tests is forgotten, and none but the image's needs a container engine."""
    suites = {path.parts[1] for path in files() if path.parts[0] == "tests" and path.name.startswith("test_")}
    assert suites <= _suites("test") | _suites("test-images")
    assert suites - _suites("test") == {"image"}


def _suites(target: str) -> set[str]:
    """The folders of tests that pytest is called on."""
    calls = [line for line in _make("--dry-run", target).stdout.splitlines() if " pytest " in line]
    return {suite for line in calls for suite in re.findall(r" tests/(\w+)\b", line)}


def test_setup_installs_what_the_lock_names(complete: Machine) -> None:
    """Where nothing is missing, setup leaves the rest to uv."""
    done = _make("setup", path=complete.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "uv sync --frozen"


@pytest.mark.parametrize("version", ["Terraform v1.11.4-beta1", "Terraform v1.20.0", "Terraform v2.0.1"])
def test_a_newer_terraform_will_do(complete: Machine, version: str) -> None:
    """Versions are compared as numbers."""
    complete.install("terraform", f"echo '{version}'")
    assert _make("setup", path=complete.path).returncode == 0


@pytest.mark.parametrize(
    ("program", "script", "sentence"),
    [
        ("uv", "exit 127", "uv is missing."),
        ("terraform", "exit 127", "Terraform 1.11 or newer is missing."),
        ("terraform", "echo 'Terraform v1.10.5'", "Terraform 1.11 or newer is missing."),
        ("terraform", "echo 'Terraform v0.15.5'", "Terraform 1.11 or newer is missing."),
        ("uv", "[[ $1 == --version ]]", "Python 3.13 is missing, and uv could not fetch it."),
    ],
)
@pytest.mark.parametrize("target", ["setup", "demo"])
def test_what_is_missing_is_said_with_the_remedy(
    complete: Machine, target: str, program: str, script: str, sentence: str
) -> None:
    """A newcomer learns what to install and where it is found, and nothing else happens."""
    complete.install(program, script)
    stopped = _make(target, path=complete.path)
    assert stopped.returncode != 0
    assert sentence in stopped.stderr
    assert "https://" in stopped.stderr
    assert "sync" not in stopped.stdout


@pytest.mark.parametrize("target", ["test", "test-e2e"])
def test_a_missing_browser_is_said_before_anything_is_tested(complete: Machine, target: str) -> None:
    """The tests of the page would fail at the very end; whoever only looks at the demonstration needs none."""
    stopped = _make(target, path=complete.path)
    assert stopped.returncode != 0
    assert "Chromium is missing" in stopped.stderr
    assert "https://" in stopped.stderr
    assert stopped.stdout == ""


@pytest.mark.parametrize(("user", "installed"), [("0", True), ("1000", False)])
def test_root_on_debian_gets_the_browser(complete: Machine, user: str, *, installed: bool) -> None:
    """In a container `make test` needs nothing else; nobody's machine is changed behind their back."""
    complete.install("id", f"echo {user}")
    complete.install("apt-get", 'echo "apt-get $*"')
    done = _make("browser", path=complete.path)
    assert (done.returncode == 0) is installed
    assert ("apt-get install --yes --quiet --no-install-recommends chromium" in done.stderr) is installed


def test_a_missing_engine_is_said_before_anything_is_tested(complete: Machine) -> None:
    """The image's tests need one; the sentence says how to get it."""
    stopped = _make("test-images", path=complete.path)
    assert stopped.returncode != 0
    assert "No container engine answers" in stopped.stderr
    assert "apt-get install docker.io mmdebstrap" in stopped.stderr
    assert stopped.stdout == ""


@pytest.mark.parametrize("there", [[], ["dockerd"], ["mmdebstrap"]])
@pytest.mark.parametrize(("user", "installed"), [("0", True), ("1000", False)])
def test_root_on_debian_gets_the_engine(complete: Machine, there: list[str], user: str, *, installed: bool) -> None:
    """As with the browser; half of it is not enough."""
    for program in there:
        complete.install(program, "")
    complete.install("id", f"echo {user}")
    complete.install("apt-get", 'echo "apt-get $*"')
    done = _make("engine", path=complete.path)
    assert (done.returncode == 0) is installed
    assert ("apt-get install --yes --quiet --no-install-recommends docker.io mmdebstrap" in done.stderr) is installed


@pytest.mark.parametrize("programs", [("docker",), ("dockerd", "mmdebstrap")])
def test_an_engine_that_runs_or_can_be_started_will_do(complete: Machine, programs: tuple[str, ...]) -> None:
    """Nothing is installed beside it."""
    for program in programs:
        complete.install(program, "")
    assert _make("engine", path=complete.path).returncode == 0


@pytest.mark.parametrize("program", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_has_several_names(complete: Machine, program: str) -> None:
    """Debian's, Ubuntu's and Google's own."""
    complete.install(program, "")
    assert _make("browser", path=complete.path).returncode == 0
