"""The commands as an operator meets them when something is missing."""

from pathlib import Path
from typing import NoReturn

import pytest
from typer.testing import CliRunner, Result

from tools.cli import app
from tools.errors import OperatorError
from tools.stack.lifecycle import Stack
from tools.stack.template_store import TemplateStore


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own."""
    monkeypatch.setenv("LOUDHAILER_STATE_DIR", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, list(arguments))


def test_the_bare_command_lists_what_there_is() -> None:
    """The first thing that anybody types."""
    output = run("--help").output
    for command in ("up", "down", "status", "demo", "broadcast", "logs", "plan", "tenant", "terraform"):
        assert f" {command} " in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["broadcast", "hi", "--all"],
        ["logs"],
        ["tenant", "list"],
        ["tenant", "put", "a"],
        ["tenant", "delete", "a"],
        ["terraform", "plan"],
    ],
)
def test_without_a_stack_a_command_says_how_to_start_one(arguments: list[str]) -> None:
    """And leaves no directory behind that looks like one."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert "No stack runs here." in result.output
    assert "loudhailer up" in result.output


def test_status_is_an_exit_code_too() -> None:
    """For scripts."""
    result = run("status")
    assert result.exit_code == 1
    assert "not running" in result.output


def test_down_without_a_stack_is_fine(home: Path) -> None:
    """What is asked for is already so."""
    result = run("down")
    assert result.exit_code == 0
    assert "There was no stack." in result.output
    assert not home.exists()


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Stack]:
    """The stacks that commands are about to bring up; none of them comes up."""
    noted: list[Stack] = []

    def note(stack: Stack, *_: object, **__: object) -> NoReturn:
        noted.append(stack)
        raise OperatorError("That is enough.")

    monkeypatch.setattr(Stack, "up", note)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return noted


@pytest.mark.parametrize("command", ["up", "demo"])
def test_new_stacks_start_from_the_templates_in_the_users_cache(
    stacks: list[Stack], tmp_path: Path, command: str
) -> None:
    """Those of the operator, and those of the demonstration."""
    assert "That is enough." in run(command).output
    assert [stack.templates for stack in stacks] == [TemplateStore(tmp_path / "cache" / "loudhailer" / "templates")]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_the_operator_may_do_without_templates(
    stacks: list[Stack], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """By the option, or by the environment."""
    run(command, "--no-template")
    monkeypatch.setenv("LOUDHAILER_NO_TEMPLATE", "1")
    run(command)
    assert [stack.templates for stack in stacks] == [None, None]
