"""The commands as an operator meets them when something is missing."""

import errno
import json
import os
import subprocess
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest
from typer.testing import CliRunner, Result

from tests.unit.tools.conftest import TerraformStandIn
from tools.cli.catalogue import CATALOGUE
from tools.cli.main import app
from tools.client.http import UnreachableError
from tools.errors import OperatorError
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import Stack
from tools.stack.state import Applied, Fingerprint, StackState, save_state
from tools.stack.template_store import TemplateStore

LIGHT_COMMANDS = (["--help"], ["release", "--help"], ["plan"], ["status"], ["down"])
HEAVY_PACKAGES = {"aiohttp", "boto3", "botocore.auth", "hcl2", "lark", "yarl"}
"""Each takes a tenth of a second or more, and is for commands that call an API or read Terraform's variables."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of the test's own."""
    monkeypatch.setenv("LOUDHAILER_STATE_DIR", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(app, list(arguments))


def test_the_bare_command_lists_every_command() -> None:
    """The first command of a new user."""
    output = run("--help").output
    for command in ("up", "down", "status", "demo", "broadcast", "logs", "plan", "probe", "tenant", "terraform"):
        assert f" {command} " in output


def test_commands_that_need_no_heavy_package_import_none() -> None:
    """Help, the planner, and commands without a stack, all in one process of their own."""
    program = (
        "import sys; from typer.testing import CliRunner; from tools.cli.main import app; "
        f"codes = [CliRunner().invoke(app, arguments).exit_code for arguments in {LIGHT_COMMANDS}]; "
        "print(*codes, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    codes, imported = done.stdout.split()[: len(LIGHT_COMMANDS)], {*done.stdout.split()[len(LIGHT_COMMANDS) :]}
    assert codes == ["0", "0", "0", "1", "0"]
    assert "tools.cli" in imported
    assert imported & HEAVY_PACKAGES == set()


def test_help_imports_no_command() -> None:
    """It is what a user waits for most often: the catalogue alone knows the commands' names and lines."""
    program = (
        "import sys; from typer.testing import CliRunner; from tools.cli.main import app; "
        "code = CliRunner().invoke(app, ['--help']).exit_code; print(code, *sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    code, *imported = done.stdout.split()
    assert code == "0"
    ours = {name for name in imported if name.split(".")[0] in {"tools", "loudhailer", "functions"}}
    assert ours <= {
        *("tools", "tools.cli", "tools.cli.catalogue", "tools.cli.main"),
        *("tools.commands", "tools.errors", "tools.interruptions"),
    }
    assert not {"asyncio", "botocore", "psutil", "uvloop"} & {*imported}


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_catalogue_has_the_beginning_of_each_commands_help(name: str) -> None:
    """One of the two would be wrong after an edit of the other."""
    entry = CATALOGUE[name]
    told = " ".join(str(entry.load(name).help).split())
    assert told.startswith(entry.help.removesuffix("."))


def test_a_plan_is_json_on_demand() -> None:
    """One value, which has the tables by their titles."""
    plan = json.loads(CliRunner().invoke(app, ["plan", "--connections", "1M", "--json"]).stdout)
    assert {"times", "parts"} <= plan.keys()
    assert isinstance(plan["times"][0]["seconds"], float)


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.prints])
def test_each_command_that_prints_data_has_the_option_for_json(name: str) -> None:
    """Each command of a group, too."""
    loaded: Any = CATALOGUE[name].load(name)
    for command in [*getattr(loaded, "commands", {}).values()] or [loaded]:
        assert [option for option in command.params if "--json" in option.opts]


def test_a_mistyped_command_is_suggested() -> None:
    """The exit code of bad arguments."""
    result = run("logz")
    assert result.exit_code == 2
    assert "Did you mean 'logs'?" in result.output


def test_the_version_is_that_of_the_package() -> None:
    """As a report of a fault needs it."""
    assert run("--version").output == f"loudhailer {metadata.version('loudhailer')}\n"


@pytest.mark.parametrize("arguments", [["-h"], ["status", "-h"], ["tenant", "put", "-h"]])
def test_help_has_a_short_name(arguments: list[str]) -> None:
    """Every command has it."""
    result = run(*arguments)
    assert result.exit_code == 0
    assert "Usage: " in result.output


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
def test_a_command_without_a_stack_explains_how_to_start_one(arguments: list[str]) -> None:
    """The command leaves no directory behind that looks like a stack."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert "No stack runs here." in result.output
    assert "loudhailer up" in result.output


@pytest.mark.parametrize(
    "arguments",
    [["up"], ["down"], ["demo"], ["terraform", "plan"], ["probe", "local"], ["release", "current", "local"]],
)
def test_a_command_for_local_stacks_takes_no_environment(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It would work on the local stack, and the operator would take that for production."""
    monkeypatch.setattr("tools.cli.probe._require_account", lambda *_: None)
    result = run("--environment", "production", *arguments)
    assert result.exit_code == 1
    assert "takes no --environment before its name" in result.output


def test_a_profile_without_an_environment_is_refused() -> None:
    """The local stack has no profile."""
    result = run("--profile", "operator", "status")
    assert result.exit_code == 1
    assert "--profile and --region are for --environment." in result.output


def test_missing_credentials_are_reported_with_the_fix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first thing that an operator meets."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    result = run("--environment", "production", "status")
    assert result.exit_code == 1
    assert "There are no AWS credentials." in result.output
    assert "aws sso login" in result.output
    unknown = run("--environment", "production", "--profile", "nobody", "status")
    assert "There is no AWS profile nobody." in unknown.output


@pytest.mark.parametrize("arguments", [["broadcast", "show", "x"], ["broadcast", "publish", "hi", "--all"]])
def test_a_command_of_broadcasts_is_named_or_a_message(arguments: list[str]) -> None:
    """`loudhailer broadcast hi` publishes."""
    assert "No stack runs here." in run(*arguments).output


def test_status_is_an_exit_code_too() -> None:
    """For scripts."""
    result = run("status")
    assert result.exit_code == 1
    assert "not running" in result.output


def test_down_without_a_stack_succeeds(home: Path) -> None:
    """The wish is fulfilled already."""
    result = run("down")
    assert result.exit_code == 0
    assert "There was no stack." in result.output
    assert not home.exists()


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_missing_terraform_is_reported_in_a_sentence_with_the_fix(
    command: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is started, nothing is left."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOUDHAILER_HASHICORP_RELEASES", (tmp_path / "no releases").as_uri())
    result = run(command)
    assert result.exit_code == 1
    assert "Terraform 1.11 or newer is missing" in result.output
    assert "https://developer.hashicorp.com/terraform/install" in result.output
    assert not [path for path in home.rglob("*") if path.is_file() and path.name != "lock"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["broadcast", "hi"], "no audience"),
        (["broadcast", "hi", "--tenant", "a#b"], "--tenant: must be"),
        (["tenant", "put", "a#b"], "tenantId: must be"),
        (["tenant", "put", "a", "--channels", "news/*"], "--channels is not JSON"),
        (["tenant", "put", "a", "--channels", "{}"], "channels: must be a list"),
        (["--stack", "../x", "up"], "--stack must be"),
    ],
)
def test_bad_arguments_are_refused_with_the_legal_values(arguments: list[str], words: str) -> None:
    """Before anything is read or written."""
    result = run(*arguments)
    assert result.exit_code == 1
    assert words in result.output


def test_a_stack_with_a_failed_apply_does_not_count_as_running(home: Path) -> None:
    """Its tables may be missing."""
    directory = StackDirectory(home / "local")
    directory.create()
    save_state(directory.state_file, StackState(1, 2, "secret"))
    result = run("tenant", "list")
    assert result.exit_code == 1
    assert "not complete" in result.output


def test_a_stack_that_does_not_answer_is_reported_in_a_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its processes may have died since."""

    async def refused(*_: object, **__: object) -> None:
        raise UnreachableError("cannot connect")

    directory = StackDirectory(home / "local")
    directory.create()
    outputs = {"http_url": "http://127.0.0.1:1"}
    save_state(directory.state_file, StackState(1, 2, "secret", applied=Applied(Fingerprint("", "", ""), outputs)))
    monkeypatch.setattr("tools.client.http.HttpApi.call", refused)
    result = run("broadcast", "hi", "--all")
    assert result.exit_code == 1
    assert "cannot connect" in result.output


def test_an_interrupt_has_its_exit_code(terraform: TerraformStandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    """As shells have it: 130."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.stack.lifecycle.Stack.up", interrupt)
    result = run("up")
    assert result.exit_code == 130
    assert "Interrupted." in result.output
    assert terraform.calls == []


def test_an_interrupted_demonstration_removes_its_stack(
    terraform: TerraformStandIn, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may be left running, whatever happens."""

    def interrupt(*_: object, **__: object) -> None:
        (home / "demo" / "trace").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr("tools.stack.lifecycle.Stack.up", interrupt)
    assert run("demo").exit_code == 130
    assert not home.exists()
    assert terraform.calls == []


def test_a_failed_demonstration_leaves_its_logs(
    terraform: TerraformStandIn, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error names a file, and it must be there; the next demonstration begins without it."""

    def fail(*_: object, **__: object) -> None:
        StackDirectory(home / "demo").create()
        StackDirectory(home / "demo").log("terraform").write_text("why")
        raise OperatorError("no", "see the log")

    monkeypatch.setattr("tools.stack.lifecycle.Stack.up", fail)
    assert run("demo").exit_code == 1
    assert sorted(path.name for path in home.rglob("*") if path.is_file()) == ["lock", "terraform.log"]
    assert terraform.calls == []


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
    """Stacks of the operator do, and those of the demonstration."""
    assert "That is enough." in run(command).output
    assert [stack.templates for stack in stacks] == [TemplateStore(tmp_path / "cache" / "loudhailer" / "templates")]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_the_operator_can_disable_templates(stacks: list[Stack], monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    """The option says so, or the environment."""
    run(command, "--no-template")
    monkeypatch.setenv("LOUDHAILER_NO_TEMPLATE", "1")
    run(command)
    assert [stack.templates for stack in stacks] == [None, None]


def test_the_next_up_completes_an_interrupted_first_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is applied, but the sample tenants are missing; once they were put, they are left alone."""
    directory = StackDirectory(home / "local")
    directory.create()
    outputs = {"http_url": "http://127.0.0.1:1", "websocket_url": "ws://127.0.0.1:2", "functions": {}}
    save_state(directory.state_file, StackState(1, 2, "secret", applied=Applied(Fingerprint("", "", ""), outputs)))
    monkeypatch.setattr(Stack, "up", lambda *_, **__: False)
    outcomes: list[BaseException | None] = [KeyboardInterrupt(), None]

    def put(_deployment: object) -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    monkeypatch.setattr("tools.cli.stack._put_sample_tenants", put)
    assert run("up").exit_code == 130
    assert "up to date" not in run("up").output
    assert "up to date" in run("up").output
    assert outcomes == []


def test_the_second_of_two_concurrent_ups_waits_for_the_first(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`up` holds the stack's lock from its first step to its last."""
    directory = StackDirectory(home / "local")
    directory.create()
    outputs = {"http_url": "http://127.0.0.1:1", "websocket_url": "ws://127.0.0.1:2", "functions": {}}
    applied = Applied(Fingerprint("", "", ""), outputs)
    save_state(directory.state_file, StackState(1, 2, "secret", applied=applied, seeded=True))
    waits, order = threading.Event(), []

    def other_up() -> None:
        with StackDirectory(home / "local").locked(waits.set):
            order.append("other")

    other = threading.Thread(target=other_up)

    def up(*_: object, **__: object) -> bool:
        other.start()
        assert waits.wait(10)
        order.append("this")
        return False

    monkeypatch.setattr(Stack, "up", up)
    assert run("up").exit_code == 0
    other.join(10)
    assert order == ["this", "other"]


def test_up_reports_changed_urls(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new local AWS may be at another port, or name its APIs otherwise; the exit code says that the stack runs."""
    directory = StackDirectory(home / "local")
    directory.create()

    def applied(http_url: str) -> StackState:
        outputs = {"http_url": http_url, "websocket_url": "ws://127.0.0.1:2", "functions": {}}
        return StackState(1, 2, "secret", applied=Applied(Fingerprint("", "", ""), outputs), seeded=True)

    def up(stack: Stack, *_: object, **__: object) -> bool:
        save_state(stack.directory.state_file, applied("http://127.0.0.1:1/new"))
        return False

    save_state(directory.state_file, applied("http://127.0.0.1:1/old"))
    monkeypatch.setattr(Stack, "up", up)
    first, second = run("up"), run("up")
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert "The URLs are no longer those of before." in first.output
    assert "http://127.0.0.1:1/new" in first.output
    assert "The URLs" not in second.output


@pytest.mark.parametrize("command", ["up", "down", "demo"])
def test_a_state_directory_that_cannot_be_created_is_reported_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Here a file has the folder's place; a full disk ends a command in the same way."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("LOUDHAILER_STATE_DIR", str(file))
    result = run(command)
    assert result.exit_code == 1
    assert (
        f"{file}/{'demo' if command == 'demo' else 'local'} cannot be written or read: Not a directory."
        in result.output
    )
    assert "--state-dir" in result.output


@pytest.mark.parametrize(
    "arguments", [["status"], ["tenant", "list"], ["broadcast", "hi", "--all"], ["logs"], ["redrive"], ["cancel", "b1"]]
)
def test_a_state_directory_that_is_a_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """To start one, which would be the fix for no stack, could not help."""
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("LOUDHAILER_STATE_DIR", str(file))
    result = run(*arguments)
    assert result.exit_code == 1
    assert f"Error: {file}/local/stack.json cannot be written or read: Not a directory." in result.output
    assert "Fix: " in result.output


@pytest.mark.parametrize("number", sorted(errno.errorcode))
def test_every_system_error_ends_a_command_with_a_sentence_and_the_fix(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever error it is; only a reader that closes the output gets nothing."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise OSError(number, os.strerror(number), "/some/where")

    monkeypatch.setattr(Stack, "up", refuse)
    monkeypatch.setattr(Stack, "down", refuse)
    for command in ("up", "down"):
        result = run(command)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        expected = [] if number == errno.EPIPE else ["Error: ", os.strerror(number), "Fix: "]
        assert [words for words in expected if words not in result.output] == []


def test_an_argument_that_is_not_utf_8_is_refused(home: Path) -> None:
    """Wherever it is, and whatever it is for; it is shown without breaking the terminal."""
    for arguments in (["broadcast", "\udcff", "--all"], ["tenant", "put", "a\udcc3"], ["--state-dir", "\udcff", "up"]):
        result = run(*arguments)
        assert (result.exit_code, type(result.exception)) == (1, SystemExit)
        assert "is not text in UTF-8: " in result.output
        assert "\\x" in result.output
    assert not home.exists()


def test_a_state_directory_that_is_not_utf_8_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terraform could not read it."""
    monkeypatch.setenv("LOUDHAILER_STATE_DIR", "/nowhere/\udcff")
    result = run("status")
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "The state directory is not text in UTF-8: /nowhere/\\xff" in result.output


@pytest.mark.parametrize("arguments", [["--help"], ["plan"]])
def test_output_that_cannot_be_written_is_reported_in_a_sentence(arguments: list[str]) -> None:
    """The disk is full, say, and the output goes to a file."""
    command = [sys.executable, "-c", "from tools.cli.main import main; main()", *arguments]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    assert ended.returncode == 1
    first, second = ended.stderr.splitlines()
    assert first == "Error: A file or folder cannot be written: No space left on device."
    assert second.startswith("Fix: Free some space")
