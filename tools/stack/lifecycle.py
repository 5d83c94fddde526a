"""From nothing to a running stack and back.

`up` may find any remains: processes of a killed command, a local AWS that is younger than Terraform's state, an apply
that nobody saw end. It keeps what is whole and drops the rest.
"""

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import psutil

from tools.console import Bar, Terminal, shortened
from tools.emulator.perimeter.signature import new_secret
from tools.errors import OperatorError
from tools.image.base import local as local_base
from tools.image.build import LOCAL_TAG, build, own_platform
from tools.image.engine import ContainerEngine, running_engine
from tools.stack.access import AccountAccess
from tools.stack.cells import CELL_ACCOUNTS, gateway_of, variables_of_a_cell
from tools.stack.dependents import KINDS, Dependent
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory, WorkingFolder
from tools.stack.local_aws import ACCOUNT, local_endpoint, local_environment
from tools.stack.package import build_package
from tools.stack.processes import (
    ProcessTable,
    answers,
    await_ready,
    free_port,
    identity_of,
    reload_gateway,
    save_local_aws,
)
from tools.stack.project import Project, digest_of
from tools.stack.side_by_side import side_by_side
from tools.stack.state import Applied, Fingerprint, StackState, load_state, save_state
from tools.stack.template import DamagedTemplateError, StackPlace, Template, template_key
from tools.stack.template_store import TemplateStore
from tools.stack.terraform import ApplyProgress, Terraform, zip_hash
from tools.stack.traffic import Traffic
from tools.toolchain.provider import find_provider
from tools.toolchain.terraform import find_terraform, terraform_environment, version_of

AWS = "local-aws"
GATEWAY = "gateway"
TERRAFORM = "terraform"
GATEWAYS = (GATEWAY, *map(gateway_of, CELL_ACCOUNTS))
"""The gateways that a stack may have: the hub's, and one for each further cell."""

LOST = (
    "The local AWS that this stack had is gone, and what it held is lost: tenants that are no samples, sessions, open "
    "connections, messages, accepted broadcasts and all reports. A new one takes its place."
)
"""The local AWS keeps its data in memory: a killed one takes them along."""

_LONGEST_REASON = 300


class Packaging(StrEnum):
    """Form in which the functions reach the local AWS."""

    ZIP = "zip"
    IMAGE = "image"


@dataclass(frozen=True)
class Ports:
    """Ports of the processes; 0 leaves the choice to the stack, which keeps it as long as it lives."""

    aws: int = 0
    gateway: int = 0


@dataclass(frozen=True)
class _NewCloud:
    """A local AWS that this command has started.

    Attributes:
        key: the key of the template that it was started from, or that may be kept of it; None without templates.
        applied: what had been applied to the template; None if the local AWS was started empty.
    """

    key: str | None
    applied: Applied | None = None


@dataclass(frozen=True)
class Stack:
    """A local stack in its directory. Every method that changes it is called with the directory's lock held.

    Attributes:
        project: the checkout that it is made of.
        directory: where it keeps all that it owns.
        terminal: where it says what it does.
        variables: Terraform's outputs, except the ones that only the run knows.
        templates: what a new local AWS may start from; None to do without.
        throttling: whether the local AWS keeps to AWS's rates.
    """

    project: Project
    directory: StackDirectory
    terminal: Terminal
    variables: Mapping[str, Any] = field(default_factory=dict)
    templates: TemplateStore | None = None
    throttling: bool = True

    @property
    def processes(self) -> ProcessTable:
        """Its processes, running or not."""
        return ProcessTable(self.directory)

    @property
    def _cells(self) -> dict[str, str]:
        """The accounts of the further cells, by the cells' names."""
        return {name: cell["account_id"] for name, cell in self.variables.get("cells", {}).items()}

    def state(self) -> StackState | None:
        """Return what the last command left written down."""
        return load_state(self.directory.state_file)

    def up(self, ports: Ports = Ports(), *, packaging: Packaging = Packaging.ZIP, force: bool = False) -> bool:
        """Bring the stack up to date; whether there was anything to do."""
        find_terraform(say=self.terminal.say)
        find_provider(self.project.terraform / "stacks" / self.directory.hub.stack, say=self.terminal.say)
        with ExitStack() as held:
            engine = held.enter_context(running_engine()) if packaging is Packaging.IMAGE else None
            return self._up(ports, engine, held, force=force)

    def _up(self, ports: Ports, engine: ContainerEngine | None, held: ExitStack, *, force: bool) -> bool:
        self.directory.create()
        self.processes.stop(TERRAFORM)
        code, package = self._zip() if engine is None else self._image(engine)
        state, cloud, started = self._start(ports, engine, held)
        variables = {**self.terraform_variables(state), "package": package}
        wanted = self._fingerprint(state, code)
        earlier = cloud.applied if cloud else state.applied
        if not force and earlier is not None:
            changed = wanted.changed_since(earlier.fingerprint)
            if not changed:
                if cloud:
                    self._adopt(state, earlier, variables)
                return started
            self.terminal.say(f"Changed since the last apply: {', '.join(changed)}.")
        try:
            applied = self._apply(state, wanted, variables)
        except OperatorError as error:
            if cloud is None or cloud.applied is None:
                raise
            self._discard(cloud.key, error)
            self.processes.stop(AWS)
            packaging = Packaging.IMAGE if engine else Packaging.ZIP
            return replace(self, templates=None).up(ports, packaging=packaging, force=force)
        if cloud and cloud.applied is None:
            self._keep(cloud.key, state, applied)
        return True

    def seed(self, put: Callable[[], None]) -> None:
        """Put what a new stack begins with, and note that it is there."""
        put()
        if (state := self.state()) is not None:
            self._saved(replace(state, seeded=True))

    def down(self, *, destroy: bool = False, keep_logs: bool = False) -> bool:
        """Remove every trace of the stack, but its logs if they are asked for; whether there was one."""
        state = self.state()
        if destroy and state is not None and self.processes.find(AWS) is not None:
            self._destroy_dependents(state, self.directory.dependents())
            with self.terminal.bar("Destroying the resources") as bar:
                self.terraform(state).destroy(shown(bar))
        existed = self.clear(keep_logs=keep_logs)
        if not keep_logs:
            self.directory.remove()
        return existed

    def clear(self, *, keep_logs: bool = False) -> bool:
        """Stop the processes and empty the directory, keeping it and its lock; whether there was anything."""
        state = self.state()
        stopped = [self.processes.stop(name) for name in (TERRAFORM, *GATEWAYS, AWS)]
        self.directory.clear(keep_logs=keep_logs)
        return state is not None or any(stopped)

    def terraform(self, state: StackState) -> Terraform:
        """Terraform for the hub, addressed to this stack's local AWS."""
        return self._terraform(state, self.directory.hub, ACCOUNT)

    def dependent_terraform(self, state: StackState, dependent: Dependent) -> Terraform:
        """Terraform for a stack in another account that is applied, or was."""
        return self._terraform(state, self.directory.dependent(dependent), dependent.account)

    def _terraform(self, state: StackState, working: WorkingFolder, account: str) -> Terraform:
        environment = terraform_environment(local_environment(os.environ, state.aws_port, state.secret, account))
        return Terraform(self.project, working, {**environment, **self.processes.mark(TERRAFORM)})

    def _zip(self) -> tuple[str, dict[str, Any]]:
        """The functions as a zip: a digest of what they are, and how Terraform names them."""
        digest = build_package(self.project, self.directory.package)
        return digest, {"zip": {"path": str(self.directory.package), "hash": zip_hash(digest)}}

    def _image(self, engine: ContainerEngine) -> tuple[str, dict[str, Any]]:
        """The functions as an image, likewise; locally its digest is the engine's own id of it."""
        platform = own_platform(engine)
        base = local_base(self.project.root, engine, platform, self.terminal)
        with self.terminal.step("Building the image"):
            image = build(self.project.root, engine, platform=platform, tag=LOCAL_TAG, base=base)
        return image.id, {"image": {"repository_url": LOCAL_TAG.partition(":")[0], "digest": image.id}}

    def _start(
        self, ports: Ports, engine: ContainerEngine | None, held: ExitStack
    ) -> tuple[StackState, _NewCloud | None, bool]:
        """See that all processes run; the state that fits them, the local AWS if it is new, and whether one is.

        If a template is missing, `held` keeps other commands from making the same one meanwhile.
        """
        state = self.state()
        aws = self.processes.find(AWS)
        is_complete = (
            state is not None
            and aws is not None
            and identity_of(aws) == state.aws_identity
            and answers(state.aws_port)
            and not state.applying
            and ports.aws in (0, state.aws_port)
            and (engine is None or engine.address == state.engine)
            and state.throttling == self.throttling
        )
        cloud = None
        if not is_complete or state is None:
            state, cloud = self._start_aws(ports, state, engine, held)
        state, started = self._start_gateways(ports, state)
        return state, cloud, started or not is_complete

    def _start_aws(
        self, ports: Ports, remembered: StackState | None, engine: ContainerEngine | None, held: ExitStack
    ) -> tuple[StackState, _NewCloud]:
        """A new local AWS, from a template or empty: all that described an older one goes, and its gateway."""
        if remembered is not None and remembered.seeded:
            self.terminal.say(LOST)
        for name in (*GATEWAYS, AWS):
            self.processes.stop(name)
        self.directory.forget_cloud()
        aws_port, gateway_port = (remembered.aws_port, remembered.gateway_port) if remembered else (0, 0)
        cell_ports = remembered.cell_ports if remembered else {}
        state = StackState(
            aws_port=ports.aws or free_port(aws_port),
            gateway_port=ports.gateway or free_port(gateway_port),
            cell_ports={cell: free_port(cell_ports.get(cell, 0)) for cell in self._cells},
            secret=remembered.secret if remembered else new_secret(),
            engine=engine.address if engine else "",
            throttling=self.throttling,
        )
        key = None if self.templates is None else self._template_key(state)
        if (template := self._template(key, held)) is not None:
            try:
                applied = self._entered(template, state)
                return self._launched(state, engine), _NewCloud(key, applied)
            except (OperatorError, OSError) as error:
                self._discard(key, error)
                self.processes.stop(AWS)
                self.directory.forget_cloud()
        return self._launched(state, engine), _NewCloud(key)

    def _launched(self, state: StackState, engine: ContainerEngine | None) -> StackState:
        """Start the local AWS with the state in its folder."""
        command = ["tools.emulator.aws", "--port", str(state.aws_port), "--state-dir", str(self.directory.aws_state)]
        command += ["--account", ACCOUNT]
        if engine is not None:
            command += ["--engine", engine.address]
        if not state.throttling:
            command += ["--no-throttling"]
        aws = self._start_process(AWS, command, state.aws_port, state)
        return self._saved(replace(state, aws_identity=identity_of(aws)))

    def _start_gateways(self, ports: Ports, state: StackState) -> tuple[StackState, bool]:
        """Run the gateway of each cell and no other; return the matching state, and whether one was started."""
        for cell in state.cell_ports.keys() - self._cells.keys():
            self.processes.stop(gateway_of(cell))
        port, started = self._start_gateway(GATEWAY, ACCOUNT, ports.gateway, state.gateway_port, state)
        cell_ports = {}
        for cell, account in self._cells.items():
            earlier = state.cell_ports.get(cell, 0)
            cell_ports[cell], is_new = self._start_gateway(gateway_of(cell), account, 0, earlier, state)
            started = started or is_new
        with_gateways = replace(state, gateway_port=port, cell_ports=cell_ports)
        return state if with_gateways == state else self._saved(with_gateways), started

    def _start_gateway(
        self, name: str, account: str, wanted: int, remembered: int, state: StackState
    ) -> tuple[int, bool]:
        """The port of the gateway of an account, and whether it had to be started."""
        if self.processes.find(name) is not None and answers(remembered) and wanted in (0, remembered):
            return remembered, False
        self.processes.stop(name)
        port = wanted or free_port(remembered)
        command = ["tools.emulator.gateway", "--aws-endpoint", local_endpoint(state.aws_port), "--account", account]
        self._start_process(name, [*command, "--port", str(port)], port, state)
        return port, True

    def _start_process(self, name: str, module: list[str], port: int, state: StackState) -> psutil.Process:
        with self.terminal.step(f"Starting {name} on port {port}"):
            environment = local_environment(os.environ, state.aws_port, state.secret)
            environment["TMPDIR"] = str(self.directory.temporary)
            process = self.processes.start(name, [sys.executable, "-m", *module], environment)
            await_ready(process, self.directory.log(name), port)
        return process

    def _template_key(self, state: StackState) -> str:
        terraform = self.terraform(state)
        return template_key(
            terraform=terraform.fingerprint(),
            terraform_version=version_of(find_terraform()),
            packaging=Packaging.IMAGE if state.engine else Packaging.ZIP,
            variables=self.variables,
        )

    def _template(self, key: str | None, held: ExitStack) -> Template | None:
        """The template of the key, if there is one that can be used; else `held` gets the turn to make one."""
        if self.templates is None or key is None:
            return None
        template = self._found(self.templates, key)
        if template is None:
            with suppress(OSError):  # a cache that cannot be written is reported when the template is kept
                held.enter_context(self.templates.turn(key, self._wait_for_the_template))
                template = self._found(self.templates, key)
        if template is None:
            self.terminal.say("No earlier stack of this kind has left a template: everything is applied.")
        return template

    def _wait_for_the_template(self) -> None:
        self.terminal.say("Another command applies a stack of this kind; waiting for its template …")

    def _found(self, templates: TemplateStore, key: str) -> Template | None:
        try:
            return templates.find(key)
        except DamagedTemplateError as error:
            self._discard(key, error)
            return None

    def _entered(self, template: Template, state: StackState) -> Applied:
        """Put the template into the directory; what had been applied to it, as it reads here."""
        self.terminal.say("An earlier stack has left a template: this one starts from it.")
        here = template.put_into(self.directory, self._place(state))
        return Applied(self._fingerprint(state, here.code), here.outputs, here.cells)

    def _discard(self, key: str | None, reason: Exception) -> None:
        """Remove a template that did not work."""
        problem = shortened(str(reason), _LONGEST_REASON).rstrip(".")
        self.terminal.say(f"The template cannot be used, so everything is applied: {problem}.")
        if self.templates is not None and key is not None:
            self.templates.remove(key)

    def _adopt(self, state: StackState, applied: Applied, variables: Mapping[str, Any]) -> None:
        """Take what was applied to the template for this stack's own; Terraform's folders fit it."""
        self.terraform(state).link(variables)
        for dependent, description in _dependents(applied.outputs).items():
            dependent_variables = self._variables_of(state, dependent, description, variables["package"])
            self.dependent_terraform(state, dependent).link(dependent_variables)
        self._saved(replace(state, applied=applied))

    def _keep(self, key: str | None, state: StackState, applied: Applied) -> None:
        """Keep a template of this stack, which nobody has used yet; if that cannot be, the stack is as good as ever."""
        if self.templates is None or key is None:
            return
        try:
            if key != self._template_key(state):
                raise OperatorError("Sources have changed while they were applied.")  # noqa: TRY301 - one way to say why
            save_local_aws(state.aws_port, state.secret)
            self.templates.keep(Template.taken(self.directory, self._place(state), key, applied))
        except (OperatorError, OSError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            self.terminal.say(f"No template is kept of this stack: {reason.rstrip('.')}.")
        else:
            self.terminal.say("A template of this stack is kept: the next one of its kind starts from it.")

    def _place(self, state: StackState) -> StackPlace:
        package = None if state.engine else self.directory.package
        return StackPlace(state.aws_port, state.gateway_port, package, state.cell_ports)

    def _fingerprint(self, state: StackState, code: str) -> Fingerprint:
        """The fingerprint of an apply of these functions, as the sources are now."""
        variables = self.terraform_variables(state)
        if state.cell_ports:
            variables["cell_ports"] = state.cell_ports
        return Fingerprint(code, self.terraform(state).fingerprint(), digest_of(variables))

    def terraform_variables(self, state: StackState) -> dict[str, Any]:
        """Return what only the run knows, but for the package."""
        return {
            **self.variables,
            "aws_endpoint": local_endpoint(state.aws_port),
            "gateway_endpoint": local_endpoint(state.gateway_port),
        }

    def _apply(self, state: StackState, wanted: Fingerprint, variables: Mapping[str, Any]) -> Applied:
        terraform = self.terraform(state)
        with self.terminal.step("Preparing Terraform"):
            terraform.prepare(variables)
        state = self._saved(replace(state, applying=True, applied=None))
        try:
            with self.terminal.bar("Applying Terraform") as bar:
                terraform.apply(shown(bar))
            outputs = self._led_to_the_newest(state, terraform, ACCOUNT)
            cells = self._apply_dependents(state, _dependents(outputs), variables["package"])
        except OperatorError:
            # Terraform itself saw the failure, so its state is true, and the next apply continues from there.
            self._saved(replace(state, applying=False))
            raise
        for port in (state.gateway_port, *state.cell_ports.values()):
            reload_gateway(port, state.secret)
        applied = Applied(wanted, outputs, cells)
        self._saved(replace(state, applying=False, applied=applied))
        return applied

    def _led_to_the_newest(self, state: StackState, terraform: Terraform, account: str) -> dict[str, Any]:
        """Lead all invocations to the functions that were applied; what Terraform says of the stack."""
        access = AccountAccess.root(account, state.aws_port, state.secret)
        deployment = Deployment(access, terraform.outputs(), account)
        traffic = Traffic(deployment.client("lambda"), deployment.functions.values())
        traffic.finish(traffic.pending())
        return deployment.outputs

    def _apply_dependents(
        self, state: StackState, dependents: Mapping[Dependent, Any], package: Mapping[str, Any]
    ) -> dict[str, dict[str, Any]]:
        """Apply all side by side, each with what the hub says of it; the outputs of the cells, by their names.

        A stack that is not in the hub's maps any more is destroyed.
        """

        def applied(dependent: Dependent) -> dict[str, Any]:
            with self.terminal.bar(f"Applying the {dependent}") as bar:
                terraform = self.dependent_terraform(state, dependent)
                terraform.prepare(self._variables_of(state, dependent, dependents[dependent], package))
                terraform.apply(shown(bar))
            return self._led_to_the_newest(state, terraform, dependent.account)

        outputs = side_by_side(dependents, applied, self._end_terraform)
        self._destroy_dependents(state, [each for each in self.directory.dependents() if each not in dependents])
        return {dependent.name: output for dependent, output in outputs.items() if dependent.kind == "cell"}

    def _variables_of(
        self, state: StackState, dependent: Dependent, description: Any, package: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The variables of a stack in another account."""
        if dependent.kind == "subscriber":
            return {"cell": description, "package": package}
        endpoint = local_endpoint(state.cell_ports[dependent.name])
        hub = {"hub": description, "package": package, "gateway_endpoint": endpoint}
        return variables_of_a_cell(self.variables) | hub

    def _destroy_dependents(self, state: StackState, dependents: Iterable[Dependent]) -> None:
        def destroy(dependent: Dependent) -> None:
            with self.terminal.bar(f"Destroying the {dependent}") as bar:
                self.dependent_terraform(state, dependent).destroy(shown(bar))
            self.directory.forget_dependent(dependent)

        side_by_side(dependents, destroy, self._end_terraform)

    def _end_terraform(self) -> None:
        self.processes.stop(TERRAFORM)

    def _saved(self, state: StackState) -> StackState:
        save_state(self.directory.state_file, state)
        return state


def _dependents(outputs: Mapping[str, Any]) -> dict[Dependent, Any]:
    """The stacks in other accounts, each with its part of the hub's outputs."""
    return {Dependent(kind, name): output for kind in KINDS for name, output in outputs.get(f"{kind}s", {}).items()}


def shown(bar: Bar) -> Callable[[ApplyProgress], None]:
    """Return what shows Terraform's progress on a bar."""
    return lambda progress: bar.update(progress.done, progress.total, progress.note)
