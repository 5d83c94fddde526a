"""From nothing to a running stack and back.

`up` may find any remains: processes of a killed command, a local AWS that is younger than Terraform's state, an apply
that nobody saw end. It keeps what is whole and drops the rest.
"""

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import psutil

from tools.console import Bar, Terminal
from tools.errors import OperatorError
from tools.image.base import local as local_base
from tools.image.build import LOCAL_TAG, build, own_platform
from tools.image.engine import Engine, running_engine
from tools.operations.deployment import Deployment
from tools.release.traffic import Traffic
from tools.stack.directory import StackDirectory, WorkingCopy
from tools.stack.local_aws import ACCOUNT, local_endpoint, local_environment
from tools.stack.package import build_package
from tools.stack.processes import ProcessTable, answers, await_ready, free_port, identity_of, reload_gateway
from tools.stack.project import Project, digest_of
from tools.stack.state import Applied, Fingerprint, StackState, load_state, save_state
from tools.stack.subscribers import SUBSCRIBER_ACCOUNTS
from tools.stack.terraform import ApplyProgress, Terraform, zip_hash
from tools.toolchain.provider import find_provider
from tools.toolchain.terraform import find_terraform, terraform_environment

AWS = "local-aws"
GATEWAY = "gateway"
TERRAFORM = "terraform"

_CONTAINERS = 40
"""All functions' workers in containers: more than processes, since making room for another one costs a second."""


class Packaging(StrEnum):
    """How the functions reach the local AWS."""

    ZIP = "zip"
    IMAGE = "image"


@dataclass(frozen=True)
class Ports:
    """Where the processes are to listen; 0 leaves the choice to the stack, which keeps it as long as it lives."""

    aws: int = 0
    gateway: int = 0


@dataclass(frozen=True)
class Stack:
    """A local stack in its directory. Every method that changes it is called with the directory's lock held."""

    project: Project
    directory: StackDirectory
    terminal: Terminal
    variables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def processes(self) -> ProcessTable:
        """Its processes, running or not."""
        return ProcessTable(self.directory)

    def state(self) -> StackState | None:
        """What the last command left written down."""
        return load_state(self.directory.state_file)

    def up(self, ports: Ports = Ports(), *, packaging: Packaging = Packaging.ZIP, force: bool = False) -> bool:
        """Bring the stack up to date; whether there was anything to do."""
        find_terraform(say=self.terminal.say)
        find_provider(self.project.terraform / "stacks" / self.directory.hub.stack, say=self.terminal.say)
        with ExitStack() as needed:
            engine = needed.enter_context(running_engine()) if packaging is Packaging.IMAGE else None
            return self._up(ports, engine, force=force)

    def _up(self, ports: Ports, engine: Engine | None, *, force: bool) -> bool:
        self.directory.create()
        self.processes.stop(TERRAFORM)
        state, started = self._start(ports, engine)
        code, package = self._zip() if engine is None else self._image(engine)
        variables = self.terraform_variables(state)
        terraform = self.terraform(state)
        wanted = Fingerprint(code, terraform.fingerprint(), digest_of(variables))
        if not force and state.applied is not None:
            changed = wanted.changed_since(state.applied.fingerprint)
            if not changed:
                return started
            self.terminal.say(f"Changed since the last apply: {', '.join(changed)}.")
        self._apply(terraform, state, wanted, {**variables, "package": package})
        return True

    def down(self, *, destroy: bool = False, keep_logs: bool = False) -> bool:
        """Remove every trace of the stack, but its logs if they are asked for; whether there was one."""
        state = self.state()
        if destroy and state is not None and self.processes.find(AWS) is not None:
            for name in self.directory.subscribers():
                self._destroy_subscriber(state, name)
            with self.terminal.bar("Destroying the resources") as bar:
                self.terraform(state).destroy(shown(bar))
        existed = self.clear(keep_logs=keep_logs)
        if not keep_logs:
            self.directory.remove()
        return existed

    def clear(self, *, keep_logs: bool = False) -> bool:
        """Stop the processes and empty the directory, keeping it and its lock; whether there was anything."""
        state = self.state()
        stopped = [self.processes.stop(name) for name in (TERRAFORM, GATEWAY, AWS)]
        self.directory.clear(keep_logs=keep_logs)
        return state is not None or any(stopped)

    def terraform(self, state: StackState) -> Terraform:
        """Terraform for the hub, addressed to this stack's local AWS."""
        return self._terraform(state, self.directory.hub, ACCOUNT)

    def subscriber_terraform(self, state: StackState, name: str) -> Terraform:
        """Terraform for a subscriber that is applied, or was."""
        return self._terraform(state, self.directory.subscriber(name), SUBSCRIBER_ACCOUNTS[name])

    def _terraform(self, state: StackState, working: WorkingCopy, account: str) -> Terraform:
        environment = terraform_environment(local_environment(os.environ, state.aws_port, account))
        return Terraform(self.project, working, {**environment, **self.processes.mark(TERRAFORM)})

    def _zip(self) -> tuple[str, dict[str, Any]]:
        """The functions as a zip: a digest of what they are, and how Terraform names them."""
        digest = build_package(self.project, self.directory.package)
        return digest, {"zip": {"path": str(self.directory.package), "hash": zip_hash(digest)}}

    def _image(self, engine: Engine) -> tuple[str, dict[str, Any]]:
        """The functions as an image, likewise; locally its digest is the engine's own id of it."""
        platform = own_platform(engine)
        base = local_base(self.project.root, engine, platform, self.terminal)
        with self.terminal.step("Building the image"):
            image = build(self.project.root, engine, platform=platform, tag=LOCAL_TAG, base=base)
        return image.id, {"image": {"repository_url": LOCAL_TAG.partition(":")[0], "digest": image.id}}

    def _start(self, ports: Ports, engine: Engine | None) -> tuple[StackState, bool]:
        """See that both processes run; the state that fits them, and whether one had to be started."""
        state = self.state()
        aws = self.processes.find(AWS)
        whole = (
            state is not None
            and aws is not None
            and identity_of(aws) == state.aws_identity
            and answers(state.aws_port)
            and not state.applying
            and ports.aws in (0, state.aws_port)
            and (engine is None or engine.address == state.engine)
        )
        if not whole or state is None:
            state = self._start_aws(ports, state, engine)
        gateway_lives = self.processes.find(GATEWAY) is not None and answers(state.gateway_port)
        if gateway_lives and ports.gateway in (0, state.gateway_port):
            return state, not whole
        return self._start_gateway(ports, state), True

    def _start_aws(self, ports: Ports, remembered: StackState | None, engine: Engine | None) -> StackState:
        """A new, empty local AWS: all that described an older one goes, and the gateway that spoke to it."""
        for name in (GATEWAY, AWS):
            self.processes.stop(name)
        self.directory.forget_cloud()
        aws_port, gateway_port = (remembered.aws_port, remembered.gateway_port) if remembered else (0, 0)
        aws_port = ports.aws or free_port(aws_port)
        command = ["tools.local_aws", "--port", str(aws_port), "--state-dir", str(self.directory.aws_state)]
        command += ["--account", ACCOUNT]
        if engine is not None:
            command += ["--engine", engine.address, "--workers", str(_CONTAINERS)]
        aws = self._start_process(AWS, command, aws_port, aws_port)
        return self._saved(
            StackState(aws_port, gateway_port or free_port(), identity_of(aws), engine.address if engine else "")
        )

    def _start_gateway(self, ports: Ports, state: StackState) -> StackState:
        self.processes.stop(GATEWAY)
        port = ports.gateway or free_port(state.gateway_port)
        command = ["tools.gateway", "--aws-endpoint", local_endpoint(state.aws_port), "--account", ACCOUNT]
        self._start_process(GATEWAY, [*command, "--port", str(port)], port, state.aws_port)
        return self._saved(replace(state, gateway_port=port))

    def _start_process(self, name: str, module: list[str], port: int, aws_port: int) -> psutil.Process:
        with self.terminal.step(f"Starting {name} on port {port}"):
            environment = local_environment(os.environ, aws_port) | {"TMPDIR": str(self.directory.temporary)}
            process = self.processes.start(name, [sys.executable, "-m", *module], environment)
            await_ready(process, self.directory.log(name), port)
        return process

    def terraform_variables(self, state: StackState) -> dict[str, Any]:
        """What only the run knows, but for the package."""
        return {
            **self.variables,
            "aws_endpoint": local_endpoint(state.aws_port),
            "gateway_endpoint": local_endpoint(state.gateway_port),
        }

    def _apply(
        self, terraform: Terraform, state: StackState, wanted: Fingerprint, variables: Mapping[str, Any]
    ) -> None:
        with self.terminal.step("Preparing Terraform"):
            terraform.prepare(variables)
        state = self._saved(replace(state, applying=True, applied=None))
        try:
            with self.terminal.bar("Applying Terraform") as bar:
                terraform.apply(shown(bar))
            outputs = self._led_to_the_newest(state, terraform, ACCOUNT)
            self._apply_subscribers(state, outputs.get("subscribers", {}), variables["package"])
        except OperatorError:
            # Terraform itself saw the failure, so its state is true and the next apply goes on from there.
            self._saved(replace(state, applying=False))
            raise
        reload_gateway(state.gateway_port)
        self._saved(replace(state, applying=False, applied=Applied(wanted, outputs)))

    def _led_to_the_newest(self, state: StackState, terraform: Terraform, account: str) -> dict[str, Any]:
        """Lead all invocations to the functions that were applied; what Terraform says of the stack."""
        deployment = Deployment(local_endpoint(state.aws_port), terraform.outputs(), account)
        traffic = Traffic(deployment.client("lambda"), deployment.functions.values())
        traffic.finish(traffic.pending())
        return deployment.outputs

    def _apply_subscribers(self, state: StackState, cells: Mapping[str, Any], package: Mapping[str, Any]) -> None:
        """Each in its account, with what the hub says of its cell; who is not in the map any more is destroyed."""
        for name, cell in cells.items():
            with self.terminal.bar(f"Applying the subscriber {name}") as bar:
                terraform = self.subscriber_terraform(state, name)
                terraform.prepare({"cell": cell, "package": package})
                terraform.apply(shown(bar))
            self._led_to_the_newest(state, terraform, cell["account_id"])
        for name in self.directory.subscribers():
            if name not in cells:
                self._destroy_subscriber(state, name)

    def _destroy_subscriber(self, state: StackState, name: str) -> None:
        with self.terminal.bar(f"Destroying the subscriber {name}") as bar:
            self.subscriber_terraform(state, name).destroy(shown(bar))
        self.directory.forget_subscriber(name)

    def _saved(self, state: StackState) -> StackState:
        save_state(self.directory.state_file, state)
        return state


def shown(bar: Bar) -> Callable[[ApplyProgress], None]:
    """What shows Terraform's progress on a bar."""
    return lambda progress: bar.update(progress.done, progress.total, progress.note)
