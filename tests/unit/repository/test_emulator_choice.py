"""The choice whether the emulator's tests run, in small git repositories."""

import ast
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.support.emulator import SOURCES, TESTS, WATCHED, choose

_IDENTITY = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false")


@dataclass(frozen=True)
class Repository:
    """A git repository of one test."""

    path: Path

    def git(self, *arguments: str, **environment: str) -> str:
        """Run git; return what it prints."""
        return subprocess.run(
            ["git", *_IDENTITY, *arguments],
            cwd=self.path,
            env=os.environ | environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()

    def write(self, path: str, text: str = "changed") -> None:
        """Write a file and the folders it is in."""
        (self.path / path).parent.mkdir(parents=True, exist_ok=True)
        (self.path / path).write_text(text)

    def commit(self, path: str, *, hours_ago: int = 0) -> str:
        """Change a file and commit it; return the commit as reports show it."""
        self.write(path, f"changed after {self.git('rev-list', '--all', '--count')} commits")
        self.git("add", "--all")
        date = f"@{int(time.time()) - hours_ago * 3600} +0000"
        self.git("commit", "--quiet", "--message", path, GIT_COMMITTER_DATE=date)
        return self.git("rev-parse", "--short=7", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository on its main branch, with an emulator and two commits after it."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)  # as git sets them for a hook
    made = Repository(tmp_path / "repository")
    made.path.mkdir()
    made.git("init", "--quiet", "--initial-branch=main")
    made.write("uv.lock", "locked")
    made.commit("tools/emulator/gateway/api.py")
    made.commit("README.md")
    made.commit("README.md")
    return made


def test_the_last_commit_counts_on_a_young_main_branch(repository: Repository) -> None:
    """No commit is older than a day."""
    before = repository.git("rev-parse", "--short=7", "HEAD^")
    assert str(choose(repository.path)) == f"emulator tests: left out, nothing of the emulator changed since {before}"
    repository.commit("tools/emulator/aws/server.py")
    assert choose(repository.path).run


def test_every_commit_of_the_last_day_counts_on_the_main_branch(tmp_path: Path) -> None:
    """Several are pushed at once; the nightly run has tested the older ones."""
    made = Repository(tmp_path)
    made.git("init", "--quiet", "--initial-branch=main")
    made.write("uv.lock", "locked")
    made.commit("tools/emulator/gateway/api.py", hours_ago=60)
    tested = made.commit("tools/emulator/gateway/api.py", hours_ago=30)
    made.commit("README.md", hours_ago=2)
    assert str(choose(made.path)) == f"emulator tests: left out, nothing of the emulator changed since {tested}"
    made.commit("tools/emulator/gateway/api.py", hours_ago=1)
    made.commit("README.md")
    assert str(choose(made.path)) == f"emulator tests: run, tools/emulator/gateway/api.py changed since {tested}"


def test_every_commit_since_the_merge_base_counts_on_a_branch(repository: Repository) -> None:
    """A later commit does not hide the change; a change on the main branch is not the branch's."""
    base = repository.git("rev-parse", "--short=7", "HEAD")
    repository.git("switch", "--quiet", "--create", "branch")
    repository.commit("functions/broadcast/swarm/swarm.py")
    repository.git("switch", "--quiet", "main")
    repository.commit("tools/emulator/gateway/limits.py")
    repository.git("switch", "--quiet", "branch")
    assert str(choose(repository.path)) == f"emulator tests: left out, nothing of the emulator changed since {base}"
    repository.commit("tools/emulator/gateway/api.py")
    repository.commit("README.md")
    assert str(choose(repository.path)) == f"emulator tests: run, tools/emulator/gateway/api.py changed since {base}"


def test_the_main_branch_is_the_remotes(repository: Repository, tmp_path: Path) -> None:
    """Commits on a main branch of one's own are new as long as they are not pushed."""
    repository.git("clone", "--quiet", str(repository.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.commit("tools/emulator/gateway/api.py")
    clone.commit("README.md")
    assert choose(clone.path).run


def test_a_pull_request_is_compared_with_the_main_branch_that_it_is_merged_into(
    repository: Repository, tmp_path: Path
) -> None:
    """GitHub checks out a merge of both, on no branch."""
    repository.git("switch", "--quiet", "--create", "branch", "HEAD^")
    repository.commit("functions/broadcast/swarm/swarm.py")
    repository.git("clone", "--quiet", str(repository.path), str(tmp_path / "clone"))
    clone = Repository(tmp_path / "clone")
    clone.git("switch", "--quiet", "--detach", "origin/main")
    clone.git("merge", "--quiet", "--no-ff", "--message", "merge", "origin/branch")
    assert not choose(clone.path).run


@pytest.mark.parametrize("path", [*SOURCES, *TESTS, "uv.lock"])
def test_a_change_that_is_not_committed_counts(repository: Repository, path: str) -> None:
    """The emulator's sources, its tests and the lock."""
    repository.write(path if Path(path).suffix else f"{path}/new.py")
    assert choose(repository.path).run


def test_a_deleted_and_a_moved_file_count(repository: Repository) -> None:
    """Both are staged here."""
    repository.git("mv", "tools/emulator/gateway/api.py", "tools/api.py")
    assert choose(repository.path).reason.startswith("tools/emulator/gateway/api.py changed since ")


def test_files_that_git_ignores_do_not_count(repository: Repository) -> None:
    """Bytecode is no change."""
    repository.commit(".gitignore")
    repository.write(".gitignore", "__pycache__")
    repository.write("tools/emulator/gateway/__pycache__/api.pyc")
    assert not choose(repository.path).run


def test_several_changed_files_are_counted(repository: Repository) -> None:
    """The first is named."""
    repository.write("tools/emulator/gateway/api.py")
    repository.write("uv.lock")
    assert choose(repository.path).reason.startswith("tools/emulator/gateway/api.py and 1 more changed since ")


def test_a_shallow_clone_without_the_base_runs_the_emulators_tests(repository: Repository, tmp_path: Path) -> None:
    """Its only commit cannot be compared with any other."""
    repository.git("clone", "--quiet", "--depth=1", repository.path.as_uri(), str(tmp_path / "clone"))
    choice = choose(tmp_path / "clone")
    assert choice.run
    assert choice.reason.startswith("git cannot say what changed: ")


def test_a_branch_without_a_common_ancestor_runs_the_emulators_tests(repository: Repository) -> None:
    """As on a branch of its own history."""
    repository.git("switch", "--quiet", "--orphan", "other")
    repository.commit("README.md")
    assert choose(repository.path).run


def test_a_repository_without_a_main_branch_runs_the_emulators_tests(repository: Repository) -> None:
    """Nothing says what a branch is compared with."""
    repository.git("branch", "--move", "main", "trunk")
    assert choose(repository.path).run


def test_a_folder_outside_a_repository_runs_the_emulators_tests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an archive of the sources."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert choose(tmp_path).run


def test_a_machine_without_git_runs_the_emulators_tests(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason says so."""
    monkeypatch.setenv("PATH", "")
    assert str(choose(repository.path)) == "emulator tests: run, git cannot say what changed: there is no git"


def test_every_module_that_the_emulator_imports_is_watched() -> None:
    """A change of a module that the emulator uses is a change of the emulator."""
    imported = {
        f"tools/{node.module.removeprefix('tools.').replace('.', '/')}"
        for source in (ROOT / "tools/emulator").rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith("tools.")
    }
    watched = tuple(path.removesuffix(".py") for path in SOURCES)
    assert [path for path in imported if not path.startswith(watched)] == []
    assert [path for path in WATCHED if not (ROOT / path).exists()] == []


def test_pytest_deselects_the_emulators_tests_except_the_contract(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the option alone, in two processes that come to the same choice."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")  # all but xdist
    for path in ("tests/conftest.py", "tests/support/coverage.py", "tests/support/emulator.py"):
        (repository.path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, repository.path / path)
    repository.write(
        "pytest.ini", "[pytest]\naddopts = --import-mode=importlib\nmarkers =\n  emulator\n  emulator_contract"
    )
    repository.write("tests/unit/test_else.py", "def test_else(): pass")
    repository.write(
        "tests/unit/emulator/gateway/test_api.py",
        "import pytest\n\n@pytest.mark.emulator_contract\ndef test_promise(): pass\n\ndef test_detail(): pass\n",
    )
    repository.commit("README.md")
    repository.commit("README.md")

    def passed(*options: str) -> tuple[str, set[str]]:
        report = subprocess.run(
            [sys.executable, "-m", "pytest", "--verbose", *options, "tests"],
            cwd=repository.path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        return report, {line.split("::")[1].split()[0] for line in report.splitlines() if "PASSED" in line}

    report, names = passed("--emulator-if-changed", "-p", "xdist", "--numprocesses=2")
    assert names == {"test_promise", "test_else"}
    assert "\nemulator tests: left out, nothing of the emulator changed since " in report
    assert passed()[1] == {"test_promise", "test_else", "test_detail"}
