"""A small checkout and a stand-in for Terraform, so that stacks can be tried without either being the real one."""

import io
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tools.console import Terminal
from tools.stack.directory import StackDirectory
from tools.stack.project import Project

SAMPLES = Path(__file__).parent / "samples"

_TERRAFORM = """\
#!{python} -IS
import os, sys
if sys.argv[1] == "version":
    sys.exit(print("Terraform v1.11.0"))
with open(os.environ["TERRAFORM_CALLS"], "a") as calls:
    print(sys.argv[1], os.path.basename(os.getcwd()), os.environ.get("AWS_ACCESS_KEY_ID"), file=calls)
answer = os.path.join(os.environ["TERRAFORM_ANSWERS"], sys.argv[1])
if os.path.exists(answer):
    sys.exit(open(answer).read())
if os.path.exists(f"{{os.environ['TERRAFORM_ANSWERS']}}/hang-{{sys.argv[1]}}-{{os.path.basename(os.getcwd())}}"):
    import time
    time.sleep(60)
if sys.argv[1] == "init":
    os.makedirs(".terraform/providers", exist_ok=True)
if sys.argv[1] == "output":
    import json
    given = "run.auto.tfvars.json"
    values = json.load(open(given)) if os.path.exists(given) else {{}}
    outputs = {{"http_url": "http://127.0.0.1:1/api", "functions": {{}}}}
    outputs |= {{name: values[name] for name in ("subscribers", "cells") if name in values}}
    print(json.dumps({{name: {{"value": value}} for name, value in outputs.items()}}))
"""


class TerraformStandIn:
    """Takes Terraform's place on the PATH: writes down how it is called, and fails on demand."""

    def __init__(self, folder: Path) -> None:
        self._calls = folder / "calls"
        self._answers = folder

    @property
    def calls(self) -> list[str]:
        """The first word of each call so far."""
        return [command for command, _, _ in self.whole_calls]

    @property
    def whole_calls(self) -> list[tuple[str, str, str]]:
        """The first word, the stack and the account of each call so far."""
        lines = self._calls.read_text().splitlines() if self._calls.exists() else []
        return [(command, stack, account) for command, stack, account in map(str.split, lines)]

    def fail(self, command: str, text: str) -> None:
        """From now on the command ends with code 1, saying this."""
        (self._answers / command).write_text(text)

    def hang(self, command: str, stack: str) -> None:
        """From now on the command does not end on a stack of that kind."""
        (self._answers / f"hang-{command}-{stack}").touch()

    def go_on(self, command: str, stack: str) -> None:
        """From now on the command ends again."""
        (self._answers / f"hang-{command}-{stack}").unlink()

    def succeed(self, command: str) -> None:
        """From now on the command succeeds again."""
        (self._answers / command).unlink()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout with one function, one shared module and three stacks."""
    root = tmp_path / "checkout"
    for path, text in {
        "functions/__init__.py": "",
        "functions/broadcast/publish/handler.py": "HANDLER = 1\n",
        "shared/loudhailer/ids.py": "IDS = 1\n",
        "terraform/stacks/hub/main.tf": "# the stack\n",
        "terraform/stacks/hub/.terraform.lock.hcl": "# the lock\n",
        "terraform/stacks/subscriber/main.tf": "# the other one\n",
        "terraform/stacks/subscriber/.terraform.lock.hcl": "# the lock\n",
        "terraform/stacks/cell/main.tf": "# a further cell\n",
        "terraform/stacks/cell/.terraform.lock.hcl": "# the lock\n",
        "terraform/environments/local/cell.tfvars": 'region = "us-east-1"\n',
        "terraform/environments/local/subscriber.tfvars": 'region = "us-east-1"\n',
        "terraform/stacks/hub/backend.tf": 'terraform {\n  backend "s3" {}\n}\n',
        "terraform/environments/local/hub.tfvars": 'environment = "local"\n',
    }.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Project(root)


@pytest.fixture
def directory(tmp_path: Path) -> StackDirectory:
    """A stack's directory that does not exist yet."""
    return StackDirectory(tmp_path / "home" / "local")


@pytest.fixture
def terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TerraformStandIn:
    """The stand-in, first on the PATH."""
    folder = tmp_path / "terraform-stand-in"
    folder.mkdir()
    program = folder / "terraform"
    program.write_text(_TERRAFORM.format(python=sys.executable))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("TERRAFORM_CALLS", str(folder / "calls"))
    monkeypatch.setenv("TERRAFORM_ANSWERS", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    mirror = folder / "mirror"
    (mirror / "registry.terraform.io/hashicorp/aws").mkdir(parents=True)
    monkeypatch.setenv("TF_PLUGIN_DIR", str(mirror))
    return TerraformStandIn(folder)


@pytest.fixture
def written() -> io.StringIO:
    """All that is written to the terminal."""
    return io.StringIO()


@pytest.fixture
def terminal(written: io.StringIO) -> Terminal:
    """A terminal that is none: plain lines into `written`."""
    return Terminal(Console(file=written), Console(file=written, width=200))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts this process; a shell that starts a command in the background has it ignore SIGINT."""
    former = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, former)
