"""What CI runs: in workflows on GitHub, and by `.ci/run` on a machine that has little."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.unit.repository.conftest import Machine

BASH = shutil.which("bash") or "bash"


def _run(machine: Machine, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run it on that machine, which has a mirror of Terraform's providers."""
    environment = {"PATH": str(machine.path), "TF_PLUGIN_DIR": "a mirror"} | environment
    return subprocess.run(
        [BASH, str(ROOT / ".ci" / "run")], env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def ci(machine: Machine) -> Machine:
    """A machine with uv and Python 3.13, whose make tells what it was given."""
    machine.install("uv", "")
    machine.install("python3.13", "")
    machine.install("make", 'echo "make $*, $TF_PLUGIN_DIR, ${TF_CLI_CONFIG_FILE-no configuration}"')
    return machine


def test_workflows_run_make_and_nothing_else() -> None:
    """What CI does, anyone can do."""
    workflows = [path.read_text() for path in ROOT.glob(".github/workflows/*.yml")]
    commands = [command for text in workflows for command in re.findall(r"\brun: *(.*)", text)]
    assert commands
    assert [command for command in commands if not re.fullmatch(r"make [a-z-]+", command)] == []


def test_it_checks_and_tests(ci: Machine) -> None:
    """The same targets as anyone's, with the mirror of providers that the machine names."""
    assert _run(ci).stdout == "make check test test-images, a mirror, no configuration\n"


def test_it_ends_as_make_ends(ci: Machine) -> None:
    """A failed check or test fails the run."""
    ci.install("make", "exit 3")
    assert _run(ci).returncode == 3


@pytest.mark.parametrize("exists", [True, False])
def test_a_configuration_of_terraform_counts_only_if_it_exists(ci: Machine, tmp_path: Path, *, exists: bool) -> None:
    """Terraform warns about a missing one at every call."""
    file = tmp_path / "terraformrc"
    if exists:
        file.touch()
    told = str(file) if exists else "no configuration"
    assert _run(ci, TF_CLI_CONFIG_FILE=str(file)).stdout.rstrip().endswith(f", {told}")


def test_pyenvs_python_is_found_behind_its_shims(ci: Machine, tmp_path: Path) -> None:
    """A shim that refuses is no Python; the version that pyenv keeps is used."""
    version = tmp_path / "versions" / "3.13.0"
    ci.install("python3.13", "exit 127")
    ci.install("pyenv", f"[[ $1 == --version ]] || echo '{version}'")
    ci.install("make", 'echo "$PATH"')
    assert _run(ci).stdout.rstrip().endswith(f":{version}/bin")


def test_a_missing_uv_is_installed_for_the_run_alone(ci: Machine, tmp_path: Path) -> None:
    """All it takes is pip, and nothing of it stays."""
    (ci.path / "uv").rename(ci.path / "uv-of-the-registry")
    ci.install("python3", 'mkdir -p "$3/bin"; cp "$(type -P python-of-the-venv)" "$3/bin/python"')
    ci.install("python-of-the-venv", 'echo "$*"; cp "$(type -P uv-of-the-registry)" "${0%/*}/uv"')
    ci.install("make", "type -P uv")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    pip, uv = _run(ci, TMPDIR=str(scratch)).stdout.splitlines()
    assert pip == "-m pip install --quiet uv"
    assert scratch in Path(uv).parents
    assert list(scratch.iterdir()) == []
