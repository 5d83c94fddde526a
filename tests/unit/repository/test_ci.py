"""Commands of CI: in workflows on GitHub, and by `.ci/run` on a machine that has little."""

import re
import shutil
import subprocess

from tests.support.checkout import ROOT
from tests.unit.repository.conftest import Machine

BASH = shutil.which("bash") or "bash"


def _run(machine: Machine) -> subprocess.CompletedProcess[str]:
    """Run it on that machine."""
    return subprocess.run(
        [BASH, str(ROOT / ".ci" / "run")],
        env={"PATH": str(machine.path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_workflows_run_make_and_nothing_else() -> None:
    """Anyone can do what CI does."""
    workflows = [path.read_text() for path in ROOT.glob(".github/workflows/*.yml")]
    commands = [command for text in workflows for command in re.findall(r"\brun: *(.*)", text)]
    assert commands
    assert [command for command in commands if not re.fullmatch(r"make [a-z-]+", command)] == []


def test_ci_runs_the_checks_and_the_tests(machine: Machine) -> None:
    """The same targets as anyone's."""
    machine.install("make", 'echo "make $*"')
    assert _run(machine).stdout == "make check test simulation test-images\n"


def test_ci_exits_with_the_status_of_make(machine: Machine) -> None:
    """A failed check or test fails the run."""
    machine.install("make", "exit 3")
    assert _run(machine).returncode == 3


def test_workflows_leave_tools_to_the_bootstrap() -> None:
    """It checks uv and Terraform by hashes in the repository; an action that fetches them checks its own."""
    workflows = "".join(path.read_text() for path in ROOT.glob(".github/**/*.yml"))
    assert re.findall(r"uses: .*setup-.*", workflows) == []


def test_all_stacks_have_the_same_lock() -> None:
    """One provider is looked for, whatever the stack."""
    locks = {path.read_text() for path in ROOT.glob("terraform/stacks/*/.terraform.lock.hcl")}
    assert len(locks) == 1
