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
UV = """
case $1 in
    --version) echo 'uv 0.13.9' ;;
    cache) echo "${BASH_SOURCE%/*}/cache" ;;
    *) echo "uv $*" ;;
esac
"""


def _make(*arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run make in the checkout, with the caller's PATH or another, as if no other make had called."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    environment = inherited if path is None else {"PATH": str(path)}
    return subprocess.run(
        [MAKE, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def complete(machine: Machine) -> Machine:
    """A machine with all that make itself needs; its uv tells what it is asked for."""
    machine.install("uv", UV)
    return machine


def test_bare_make_lists_every_target() -> None:
    """Nobody needs to read the Makefile to use it."""
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    listed = set(re.findall(r"^  ([a-z0-9-]+) +\S", _make().stdout, re.MULTILINE))
    assert listed == targets - {"browser", "engine"}


def test_check_runs_every_check() -> None:
    """It names them once more, to run two at a time; others change the checkout, or look at commits."""
    section = (ROOT / "Makefile").read_text().partition("\n##@ Check\n")[2].partition("\n##@ ")[0]
    others = {"check", "format", "hooks", "title", "titles"}
    checks = set(re.findall(r"^\.PHONY: (\S+)$", section, re.MULTILINE)) - others
    assert len(checks) == 10
    run = _make("--dry-run", "check").stdout
    assert [check for check in checks if _make("--dry-run", check).stdout.splitlines()[-1] not in run] == []


def test_every_suite_is_run() -> None:
    """No folder of tests is forgotten, and none but the image's needs a container engine."""
    suites = {path.parts[1] for path in files() if path.parts[0] == "tests" and path.name.startswith("test_")}
    assert suites <= _suites("test") | _suites("test-images")
    assert suites - _suites("test") == {"image"}


def test_every_file_of_the_slow_suites_is_named_once() -> None:
    """Pytest would take the files of a folder by name; in this order the longest do not come last."""
    slow = ("tests/e2e/", "tests/integration/", "tests/terraform/")
    wanted = [str(path) for path in files() if path.name.startswith("test_") and str(path).startswith(slow)]
    named = [word for call in _calls("test") for word in call.split() if word.startswith(slow)]
    assert sorted(named) == sorted(wanted)


def test_the_nightly_workflow_omits_no_test() -> None:
    """`make test` alone does without long forms, most examples of properties, and an unchanged emulator's tests."""
    assert _suites("test-all") == _suites("test")
    daily = (" -m 'not nightly' ", " --emulator-if-changed ", " --hypothesis-profile=daily ")
    assert all(option in call for option in daily for call in _calls("test"))
    assert not any(option in call for option in (" -m ", *daily[1:]) for call in _calls("test-all"))


def _suites(target: str) -> set[str]:
    """The folders of tests that pytest is called on."""
    return {suite for call in _calls(target) for suite in re.findall(r" tests/(\w+)\b", call)}


def _calls(target: str) -> list[str]:
    """The calls of pytest."""
    return [line for line in _make("--dry-run", target).stdout.splitlines() if " pytest " in line]


def test_setup_brings_packages_terraform_and_the_provider(complete: Machine) -> None:
    """The bootstrap has brought uv and Python before; nothing else is started."""
    done = _make("setup", path=complete.path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["uv sync --frozen --quiet", "uv run --frozen python -m tools.toolchain"]


def test_every_target_uses_the_bootstrap() -> None:
    """No recipe calls by name a program that the bootstrap brings."""
    makefile = (ROOT / "Makefile").read_text()
    assert re.findall(r"(?<!bootstrap )\b(?:uv run|uvx?|pip) .*", makefile) == []
    recipes = "\n".join(line for line in makefile.splitlines() if line.startswith("\t"))
    assert re.findall(r"^\t@?(?:terraform|python3?|npm|node)\b.*", recipes, re.MULTILINE) == []


@pytest.mark.parametrize("target", ["setup", "demo", "types"])
def test_a_target_stops_when_uv_fails(complete: Machine, target: str) -> None:
    """Nothing else happens after the sentence that says why."""
    complete.install("uv", UV.replace('echo "uv $*"', 'echo "uv $*"; exit 3'))
    stopped = _make(target, path=complete.path)
    assert stopped.returncode != 0
    assert [line.split()[1] for line in stopped.stdout.splitlines() if line.startswith("uv ")] == [
        "run" if target == "types" else "sync"
    ]


@pytest.mark.parametrize("target", ["test", "test-e2e"])
def test_a_missing_browser_is_reported_before_any_test(complete: Machine, target: str) -> None:
    """The tests of the page would fail at the very end; the demonstration alone needs none."""
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


def test_a_missing_engine_is_reported_before_any_test(complete: Machine) -> None:
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
def test_a_running_or_startable_engine_is_sufficient(complete: Machine, programs: tuple[str, ...]) -> None:
    """Nothing is installed beside it."""
    for program in programs:
        complete.install(program, "")
    assert _make("engine", path=complete.path).returncode == 0


@pytest.mark.parametrize("program", ["chromium", "chromium-browser", "google-chrome"])
def test_a_browser_has_several_names(complete: Machine, program: str) -> None:
    """Debian's, Ubuntu's and Google's own."""
    complete.install(program, "")
    assert _make("browser", path=complete.path).returncode == 0
