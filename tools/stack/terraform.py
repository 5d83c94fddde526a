"""Terraform, run in a folder of links to the project's sources; its JSON lines become progress and errors."""

import base64
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from tools.console import shortened
from tools.errors import OperatorError
from tools.stack.directory import WorkingFolder
from tools.stack.project import Project, fingerprint_of
from tools.toolchain.links import link_sources, override_backend
from tools.toolchain.provider import LOCK, REMEDY, find_provider, forget_hashes
from tools.toolchain.terraform import INSTALL, find_terraform

ENVIRONMENT = "local"
SOURCE_SUFFIXES = (".tf", ".tfvars", ".terraform.lock.hcl", ".json", ".vtl")
"""Files in which the infrastructure can change."""

_INTERRUPT_GRACE_SECONDS = 3.0
_PARALLELISM = 50
_LONGEST_PROBLEM = 1_000

_initialising = Lock()
"""One `terraform init` at a time: several must not use one plugin cache at once, which an operator may have.

https://developer.hashicorp.com/terraform/cli/config/config-file#provider-plugin-cache
"""


@dataclass
class ApplyProgress:
    """Progress of `terraform apply -json` (or `destroy`), from the lines that it has printed so far.

    Attributes:
        total: changes that the plan announced; None before it did.
        done: changes that are finished.
        current: addresses of the resources that are being changed, oldest first.
        problems: the errors so far.
    """

    total: int | None = None
    done: int = 0
    current: dict[str, None] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def observe(self, line: str) -> None:
        """Take in one line; what is not one of Terraform's JSON messages is passed over."""
        try:
            message = json.loads(line)
        except ValueError:
            return
        match message:
            case {
                "type": "change_summary",
                "changes": {"operation": "plan", "add": add, "change": change, "remove": remove},
            }:
                self.total = add + change + remove
            case {"hook": {"action": "read"}}:
                # Reading a data source is announced like a change, but is none that the plan has counted.
                pass
            case {"type": "apply_start", "hook": {"resource": {"addr": address}}}:
                self.current[address] = None
            case {"type": "apply_complete", "hook": {"resource": {"addr": address}}}:
                self.current.pop(address, None)
                self.done += 1
            case {"type": "apply_errored", "hook": {"resource": {"addr": address}}}:
                self.current.pop(address, None)
            case {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": summary, **rest}}:
                parts = (rest.get("address"), summary, rest.get("detail"))
                self.problems.append(shortened(": ".join(str(part) for part in parts if part), _LONGEST_PROBLEM))

    @property
    def note(self) -> str:
        """Text for a bar: the newest resource that is applied, and how many others."""
        if not self.current:
            return "planning" if self.total is None else ""
        *others, newest = self.current
        return f"{newest} and {len(others)} more" if others else newest


@dataclass(frozen=True)
class Terraform:
    """One of the project's stacks, of the environment `local`, in its folder of links."""

    project: Project
    working: WorkingFolder
    environment: Mapping[str, str]

    def fingerprint(self) -> str:
        """A digest of the Terraform sources."""
        return fingerprint_of(self.project.terraform, SOURCE_SUFFIXES)

    def prepare(self, variables: Mapping[str, Any]) -> None:
        """Bring the folder up to date, and initialise it."""
        self.link(variables)
        self._initialise()

    def link(self, variables: Mapping[str, Any]) -> None:
        """Bring the links, the backend and the variables up to date, keeping the provider in the folder."""
        root = self.working.root
        link_sources(self.project.terraform, self.working.sources)
        override_backend(root, "local")
        settings = self.project.terraform / "environments" / ENVIRONMENT / f"{self.working.stack}.tfvars"
        (root / f"{self.working.stack}.auto.tfvars").symlink_to(settings.absolute())
        (root / "run.auto.tfvars.json").write_text(json.dumps(variables, indent=2))

    def _initialise(self) -> None:
        provider = find_provider(self.project.terraform / "stacks" / self.working.stack, self.environment)
        shutil.copy(provider.lock, self.working.root / LOCK)
        with _initialising:
            self._run(
                "init",
                "-input=false",
                "-no-color",
                f"-backend-config=path={self.working.state}",
                f"-plugin-dir={provider.folder}",
            )
        forget_hashes(self.working.root / LOCK)

    def apply(self, observe: Callable[[ApplyProgress], None]) -> None:
        """Make the resources; `observe` is called after every line."""
        self._change("apply", observe)

    def destroy(self, observe: Callable[[ApplyProgress], None]) -> None:
        """Destroy the resources; `observe` is called after every line."""
        self._change("destroy", observe)

    def outputs(self) -> dict[str, Any]:
        """The outputs of the last apply."""
        document = json.loads(self._run("output", "-json"))
        return {name: output["value"] for name, output in document.items()}

    def interactive(self, arguments: Sequence[str]) -> int:
        """Run any Terraform command on the stack, on the operator's own terminal; its exit code."""
        self._require_initialised()
        return subprocess.call(
            [find_terraform(self.environment), *arguments], cwd=self.working.root, env=dict(self.environment)
        )

    def _require_initialised(self) -> None:
        """Initialise the folder of a stack that was started from a template, which nobody has needed so far."""
        if not (self.working.root / ".terraform" / "providers").is_dir():
            self._initialise()

    def _change(self, command: str, observe: Callable[[ApplyProgress], None]) -> None:
        self._require_initialised()
        progress = ApplyProgress()
        log = self.working.log
        arguments = ("-json", "-auto-approve", "-input=false", f"-parallelism={_PARALLELISM}")
        with self._running(command, *arguments) as process, log.open("a") as file:
            try:
                for line in process.stdout or ():
                    file.write(line)
                    progress.observe(line)
                    observe(progress)
            except BaseException:
                _end(process)
                raise
        if process.returncode != 0:
            problem = progress.problems[-1] if progress.problems else f"it ended with code {process.returncode}"
            raise OperatorError(
                f"terraform {command} failed: {problem}",
                f"The whole log: {log}. `loudhailer up` continues where it stopped; `loudhailer down` starts over.",
            )

    def _run(self, *arguments: str) -> str:
        log = self.working.log
        with self._running(*arguments) as process:
            try:
                output, _ = process.communicate()
            except BaseException:
                _end(process)
                raise
        with log.open("a") as file:
            file.write(output)
        if process.returncode != 0:
            raise _failed(arguments[0], output, log)
        return output

    @contextmanager
    def _running(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run a command for the block; a provider that is killed leaves its socket in a folder that goes then."""
        with (
            tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary,
            subprocess.Popen(
                [find_terraform(self.environment), *arguments],
                cwd=self.working.root,
                env={**self.environment, "TMPDIR": temporary},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                # Ctrl-C is for us alone: Terraform would wait for its 25-second resources.
                start_new_session=True,
            ) as process,
        ):
            yield process


def zip_hash(digest: str) -> str:
    """A hexadecimal SHA-256 as Lambda and Terraform write it: base64."""
    return base64.b64encode(bytes.fromhex(digest)).decode()


def _end(process: subprocess.Popen[str]) -> None:
    """End Terraform and the provider that it started, without waiting for what they are at."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_INTERRUPT_GRACE_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _failed(command: str, output: str, log: Path) -> OperatorError:
    text = shortened(output[output.find("Error:") :] if "Error:" in output else output, _LONGEST_PROBLEM)
    if "checksums previously recorded" in " ".join(output.split()):
        return OperatorError(
            f"The AWS provider is not the one that the lock names. {text}",
            "Remove ~/.cache/loudhailer/tools, so that it is found or fetched again; or correct TF_PLUGIN_DIR.",
        )
    if "provider packages" in output or "Failed to install provider" in output:
        return OperatorError(
            f"Terraform cannot fetch the AWS provider. {text}",
            REMEDY,
        )
    if "required_version" in output or "Unsupported Terraform Core version" in output:
        return OperatorError(f"Terraform is too old. {text}", INSTALL)
    return OperatorError(f"terraform {command} failed. {text}", f"The whole log: {log}")
