"""The commit hooks of `.pre-commit-config.yaml` are checks of the Makefile, and the checks notice mistakes."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT

CONFIGURATION = ROOT / ".pre-commit-config.yaml"


def _program(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of the environment in the checkout."""
    return subprocess.run(
        [Path(sys.executable).with_name(name), *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_pre_commit_accepts_the_configuration() -> None:
    """A mistake in it would stop every commit."""
    checked = _program("pre-commit", "validate-config", CONFIGURATION)
    assert checked.returncode == 0, checked.stdout


def test_every_hook_runs_a_target_of_the_makefile() -> None:
    """Commits are checked as CI checks them, with the versions of the lock and no repository of others."""
    repositories: list[dict[str, Any]] = yaml.safe_load(CONFIGURATION.read_text())["repos"]
    assert {repository["repo"] for repository in repositories} == {"local"}
    hooks = [hook for repository in repositories for hook in repository["hooks"]]
    checks = re.search(r"^CHECKS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert checks is not None
    stages: dict[str, set[str]] = {}
    for hook in hooks:
        (stage,) = hook.get("stages", ["pre-commit"])
        stages.setdefault(stage, set()).add(hook["entry"].removeprefix("make --silent "))
    assert stages == {"pre-commit": {"lint", "spelling", "whitespace"}, "commit-msg": {"title"}}
    assert stages["pre-commit"] <= set(checks[1].split())


def test_the_title_of_a_merge_is_left_to_git(tmp_path: Path) -> None:
    """The message of a merge is in another file, and the title of an earlier commit would be checked instead."""
    recipe = re.search(r"^title: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    command = recipe[1].replace("$(RUN)", "false").replace("$$", "$")

    def run(*arguments: str) -> int:
        return subprocess.run(arguments, cwd=tmp_path, capture_output=True, check=False).returncode

    author = ("-c", "user.name=a", "-c", "user.email=a@example.com")
    assert run("git", "init") == run("git", *author, "commit", "--allow-empty", "--message=Add a check") == 0
    assert run("bash", "-c", command) == 1
    assert run("git", "update-ref", "MERGE_HEAD", "HEAD") == 0
    assert run("bash", "-c", command) == 0


@pytest.mark.parametrize(("text", "is_refused"), [("t" + "eh plan", True), ("the plan, onText", False)])
def test_a_spelling_mistake_is_refused(tmp_path: Path, text: str, *, is_refused: bool) -> None:
    """Words that the project needs are accepted."""
    (tmp_path / "page.md").write_text(f"{text}\n")
    assert bool(_program("codespell", tmp_path / "page.md").returncode) is is_refused


@pytest.mark.parametrize(
    ("program", "text", "repaired"),
    [
        ("trailing-whitespace-fixer", "a line \n", "a line\n"),
        ("end-of-file-fixer", "a line", "a line\n"),
        ("end-of-file-fixer", "a line\n\n", "a line\n"),
    ],
)
def test_whitespace_is_repaired_and_reported(tmp_path: Path, program: str, text: str, repaired: str) -> None:
    """The check fails once, and passes on the repaired file."""
    page = tmp_path / "page.txt"
    page.write_text(text)
    assert _program(program, page).returncode == 1
    assert page.read_text() == repaired
    assert _program(program, page).returncode == 0
