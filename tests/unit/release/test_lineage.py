"""The releases that may take the place of another."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.release.lineage import head, require_no_older


@pytest.fixture(scope="module")
def commits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A checkout of three commits, the oldest first."""
    folder = tmp_path_factory.mktemp("checkout")
    git = shutil.which("git") or "git"

    def run(*arguments: str) -> str:
        who = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
        return subprocess.check_output([git, "-C", str(folder), *who, *arguments], text=True).strip()

    run("init", "--quiet")
    made = []
    for number in range(3):
        run("commit", "--quiet", "--allow-empty", "--message", f"number {number}")
        made.append(run("rev-parse", "HEAD"))
    return folder, made


def test_a_newer_commit_and_the_same_one_may_follow(commits: tuple[Path, list[str]]) -> None:
    """The same one, because a promotion may be given again."""
    checkout, (first, second, third) = commits
    require_no_older(checkout, second, first)
    require_no_older(checkout, third, first)
    require_no_older(checkout, third, third)


def test_an_older_commit_is_refused(commits: tuple[Path, list[str]]) -> None:
    """A promotion that waited for its approval comes after a newer one: it would take that back."""
    checkout, (first, _, third) = commits
    with pytest.raises(OperatorError, match=f"Commit {first} is older than {third}, which was") as refused:
        require_no_older(checkout, first, third)
    assert "rollback" in (refused.value.remedy)


@pytest.mark.parametrize(("commit", "running"), [(0, None), (None, 0)])
def test_a_commit_that_the_checkout_does_not_know_is_refused(
    commits: tuple[Path, list[str]], commit: int | None, running: int | None
) -> None:
    """Nobody can say which of the two is the newer one. The sentence has the way out, after a rewrite of main, too."""
    checkout, made = commits
    names = ["f" * 40 if place is None else made[place] for place in (commit, running)]
    with pytest.raises(OperatorError, match="does not come after") as refused:
        require_no_older(checkout, *names)
    assert f"git fetch origin {names[1]}" in refused.value.remedy
    assert f"REPLACES={names[1]}" in refused.value.remedy


def test_a_promotion_requires_git(commits: tuple[Path, list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names what is missing."""
    checkout, (first, second, _) = commits
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(OperatorError, match="git is not on PATH"):
        require_no_older(checkout, second, first)


def test_the_commit_of_a_checkout_is_known(commits: tuple[Path, list[str]], tmp_path: Path) -> None:
    """It is the one of the Terraform sources that are applied; a folder without git has none."""
    checkout, made = commits
    assert head(checkout) == made[-1]
    with pytest.raises(OperatorError, match="is no checkout of git"):
        head(tmp_path)
