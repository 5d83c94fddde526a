"""A new stack starts from an earlier one's template, or everything is applied; all that runs is a stand-in."""

import errno
import hashlib
import io
import json
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.tools.conftest import TerraformStandIn
from tests.unit.tools.test_lifecycle import APPLY, SLEEP, interrupt_at, process_of, running_children, state_of
from tools.console import Terminal
from tools.errors import OperatorError
from tools.stack import lifecycle
from tools.stack.cells import cell_variables
from tools.stack.dependents import Dependent
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import AWS, GATEWAY, Ports, Stack
from tools.stack.processes import ProcessTable
from tools.stack.project import Project
from tools.stack.subscribers import subscriber_variables
from tools.stack.template import Template
from tools.stack.template_store import TemplateStore
from tools.stack.terraform import ApplyProgress, Terraform

pytestmark = pytest.mark.usefixtures("terraform", "local_aws")

BLUE, GREEN = Dependent("subscriber", "blue"), Dependent("subscriber", "green")

KEPT = "A template of this stack is kept"
USED = "An earlier stack has left a template"
UNUSABLE = "The template cannot be used, so everything is applied"


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    """The user's templates; none yet."""
    return TemplateStore(tmp_path / "templates")


@pytest.fixture
def local_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local AWS that saves a file which names its port, and Terraform's states in its place."""
    ports = iter(range(20_001, 20_100))
    start = ProcessTable.start
    directories: dict[str, StackDirectory] = {}

    def started(table: ProcessTable, name: str, command: list[str], environment: dict[str, str]) -> object:
        directories[command[command.index("--port") + 1]] = table.directory
        return start(table, name, SLEEP, environment)

    def saved(port: int, _secret: str) -> None:
        directory = directories[str(port)]
        folder = directory.aws_state / "ministack"
        folder.mkdir()
        code = hashlib.sha256(directory.package.read_bytes()).hexdigest()
        (folder / "sqs.json").write_text(json.dumps({"queue": f"http://127.0.0.1:{port}/1/queue", "code": code}))
        directory.hub.state.write_text("{}")
        for dependent in directory.dependents():
            directory.dependent(dependent).state.write_text(json.dumps({"name": dependent.name}))

    monkeypatch.setattr(ProcessTable, "start", started)
    monkeypatch.setattr(lifecycle, "await_ready", lambda *_: None)
    monkeypatch.setattr(lifecycle, "answers", lambda _port: True)
    monkeypatch.setattr(lifecycle, "reload_gateway", lambda _port, _secret: None)
    monkeypatch.setattr(lifecycle, "save_local_aws", saved)
    monkeypatch.setattr(lifecycle, "free_port", lambda preferred=0: preferred or next(ports))
    monkeypatch.setattr(Deployment, "client", lambda *_: None)  # there is no function whose traffic it would lead


@pytest.fixture
def first(project: Project, directory: StackDirectory, store: TemplateStore, terminal: Terminal) -> Iterator[Stack]:
    """A stack that keeps a template."""
    stack = Stack(project, directory, terminal, templates=store)
    yield stack
    stack.down()


@pytest.fixture
def second(first: Stack, tmp_path: Path) -> Iterator[Stack]:
    """Another stack of the same checkout."""
    stack = replace(first, directory=StackDirectory(tmp_path / "other home" / "local"))
    yield stack
    stack.down()


def templates_in(store: TemplateStore) -> list[str]:
    """The names of all files in the store."""
    return [path.name for path in store.folder.glob("*")]


def test_the_first_stack_keeps_a_template_that_the_second_starts_from(
    first: Stack, second: Stack, terraform: TerraformStandIn, written: io.StringIO
) -> None:
    """Nothing is applied, and everything reads as if it had been, on other ports."""
    assert first.up()
    assert written.getvalue().count(KEPT) == 1
    before = len(terraform.calls)
    assert second.up()
    assert written.getvalue().count(USED) == 1
    assert terraform.calls[before:] == []
    port = state_of(second).aws_port
    assert port != state_of(first).aws_port
    saved = json.loads((second.directory.aws_state / "ministack" / "sqs.json").read_text())
    assert saved["queue"] == f"http://127.0.0.1:{port}/1/queue"
    assert second.directory.hub.state.read_text() == "{}"
    given = json.loads((second.directory.hub.root / "run.auto.tfvars.json").read_text())
    assert given["aws_endpoint"] == f"http://127.0.0.1:{port}"
    assert state_of(second).applied is not None
    assert not second.up()


def test_a_concurrent_second_stack_waits_for_the_template_of_the_first(
    first: Stack, second: Stack, written: io.StringIO, terraform: TerraformStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is applied once, and both stacks have the same ids."""
    applies, waits = threading.Event(), threading.Event()
    apply, wait = Terraform.apply, Stack._wait_for_the_template

    def hold(terraform: Terraform, observe: Callable[[ApplyProgress], None]) -> None:
        applies.set()
        assert waits.wait(20)
        apply(terraform, observe)

    def say(stack: Stack) -> None:
        wait(stack)
        waits.set()

    monkeypatch.setattr(Terraform, "apply", hold)
    monkeypatch.setattr(Stack, "_wait_for_the_template", say)
    with ThreadPoolExecutor() as threads:
        earlier = threads.submit(first.up)
        assert applies.wait(20)
        later = threads.submit(second.up)
        assert earlier.result()
        assert later.result()
    assert terraform.calls == APPLY
    assert "waiting for its template" in written.getvalue()
    assert written.getvalue().count(USED) == 1


def test_disabled_templates_are_neither_read_nor_written(
    first: Stack, second: Stack, store: TemplateStore, terraform: TerraformStandIn
) -> None:
    """An existing template is not read, and a new one is not made."""
    replace(first, templates=None).up()
    assert templates_in(store) == []
    first.down()
    first.up()
    before = len(terraform.calls)
    replace(second, templates=None).up()
    assert terraform.calls[before:] == APPLY


def test_functions_of_the_stack_replace_the_templates(
    first: Stack, second: Stack, terraform: TerraformStandIn, written: io.StringIO
) -> None:
    """The package is no part of the key, and nothing need be applied for it."""
    first.up()
    (first.project.root / "functions/broadcast/publish/handler.py").write_text("HANDLER = 2\n")
    before = len(terraform.calls)
    assert second.up()
    assert terraform.calls[before:] == []
    assert written.getvalue().count(USED) == 1
    code = state_of(second).applied
    assert code is not None
    digest = hashlib.sha256(second.directory.package.read_bytes()).hexdigest()
    assert code.fingerprint.code == digest
    saved = json.loads((second.directory.aws_state / "ministack" / "sqs.json").read_text())
    assert saved["code"] == digest
    assert not second.up()


@pytest.mark.parametrize("change", ["sources", "variables", "lock", "template of a route"])
def test_a_changed_key_means_a_full_apply(
    first: Stack, second: Stack, terraform: TerraformStandIn, written: io.StringIO, change: str
) -> None:
    """And a template of its own."""
    hub = first.project.root / "terraform" / "stacks" / "hub"
    first.up()
    match change:
        case "sources":
            (hub / "main.tf").write_text("# changed\n")
        case "lock":
            (hub / ".terraform.lock.hcl").write_text("# another provider\n")
        case "template of a route":
            (hub / "echo.vtl").write_text("$input.body\n")
        case "variables":
            second = replace(second, variables={"broadcast": {"chunk_size": 10}})
    before = len(terraform.calls)
    second.up()
    second.down()
    assert terraform.calls[before:] == APPLY
    assert USED not in written.getvalue()
    assert written.getvalue().count(KEPT) == 2


def test_a_damaged_template_means_a_full_apply(
    first: Stack, second: Stack, store: TemplateStore, terraform: TerraformStandIn, written: io.StringIO
) -> None:
    """One line says so, and the next stack has a whole one."""
    first.up()
    (file,) = store.folder.iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    before = len(terraform.calls)
    assert second.up()
    assert terraform.calls[before:] == APPLY
    assert f"{UNUSABLE}: its digest is wrong." in written.getvalue()
    assert [path.name for path in store.folder.iterdir()] == [file.name]
    assert len(file.read_bytes()) > 100


def test_a_template_that_does_not_start_is_removed_and_everything_is_applied(
    first: Stack, second: Stack, terraform: TerraformStandIn, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The local AWS refuses what it can't restore; an empty one starts."""

    def restoring_fails(*_: object) -> None:
        if (second.directory.aws_state / "ministack").exists():
            raise OperatorError("local-aws ended while it started. Its last words:\nno such queue")

    first.up()
    monkeypatch.setattr(lifecycle, "await_ready", restoring_fails)
    before = len(terraform.calls)
    assert second.up()
    assert terraform.calls[before:] == APPLY
    assert f"{UNUSABLE}: local-aws ended while it started. Its last words: no such queue." in written.getvalue()


def test_a_failed_apply_to_a_template_is_repeated_from_nothing(
    first: Stack, second: Stack, store: TemplateStore, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another local AWS, without the template."""
    first.up()
    apply = Terraform.apply
    local_aws = []

    def fails_at_first(terraform: Terraform, observe: Callable[[ApplyProgress], None]) -> None:
        local_aws.append(process_of(second, AWS))
        if len(local_aws) == 1:
            raise OperatorError("terraform apply failed: no such function.")
        apply(terraform, observe)

    monkeypatch.setattr(Terraform, "apply", fails_at_first)
    assert second.up(force=True)
    assert f"{UNUSABLE}: terraform apply failed: no such function." in written.getvalue()
    assert len(set(local_aws)) == 2
    assert list(store.folder.iterdir()) == []
    assert state_of(second).applied is not None


def test_a_failure_without_a_template_fails_the_command(first: Stack, terraform: TerraformStandIn) -> None:
    """Nothing is tried a second time, and nothing kept."""
    terraform.fail("apply", "no reason given")
    with pytest.raises(OperatorError, match="terraform apply failed"):
        first.up()
    assert terraform.calls == ["init", "apply"]


def test_a_stack_that_continues_after_a_failure_leaves_no_template(
    first: Stack, store: TemplateStore, terraform: TerraformStandIn
) -> None:
    """Its local AWS may have been used meanwhile."""
    terraform.fail("apply", "no reason given")
    with pytest.raises(OperatorError):
        first.up()
    terraform.succeed("apply")
    assert first.up()
    assert templates_in(store) == []


@pytest.mark.parametrize("refusal", ["the local AWS", "the disk"])
def test_a_template_that_cannot_be_stored_stops_nothing(
    first: Stack, store: TemplateStore, written: io.StringIO, monkeypatch: pytest.MonkeyPatch, refusal: str
) -> None:
    """A line says why."""
    if refusal == "the disk":
        store.folder.write_text("no folder")
        reason = "No template is kept of this stack: File exists.\n"
    else:
        reason = "The table tenants has rows"

        def refuse(_port: int, _secret: str) -> None:
            raise OperatorError(f"{reason}.")

        monkeypatch.setattr(lifecycle, "save_local_aws", refuse)
    assert first.up()
    assert "No template is kept of this stack: " in written.getvalue()
    assert reason in written.getvalue()


def test_a_full_disk_at_the_start_from_a_template_means_a_full_apply(
    first: Stack, second: Stack, written: io.StringIO, terraform: TerraformStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The apply may find room, or say itself why not."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    first.up()
    monkeypatch.setattr(Template, "put_into", full)
    before = len(terraform.calls)
    assert second.up()
    assert terraform.calls[before:] == APPLY
    assert "No space left on device" in written.getvalue()


@pytest.mark.parametrize(
    "interruption",
    [
        ("tools.stack.lifecycle.build_package", 1),
        ("tools.stack.template_store.TemplateStore.find", 1),
        ("tools.stack.template.Template.put_into", 1),
        *[("pathlib.Path.write_bytes", number) for number in (1, 2)],
        ("tools.stack.processes.ProcessTable.start", 1),
        ("tools.stack.processes.ProcessTable.start", 2),
        ("tools.stack.terraform.Terraform.link", 1),
        *[("tools.stack.lifecycle.save_state", number) for number in (1, 2)],
    ],
    ids=str,
)
def test_every_interrupted_step_of_a_start_from_a_template_is_completed_by_the_next_up(
    first: Stack, second: Stack, store: TemplateStore, monkeypatch: pytest.MonkeyPatch, interruption: tuple[str, int]
) -> None:
    """Ctrl-C leaves nothing half-entered that counts, no process of the first try, and the template for others."""
    first.up()
    kept, earlier = templates_in(store), running_children()
    interrupt_at(*interruption, second.up, monkeypatch)
    second.up()
    state = state_of(second)
    assert state.applied is not None
    assert not state.applying
    saved = json.loads((second.directory.aws_state / "ministack" / "sqs.json").read_text())
    assert saved["queue"] == f"http://127.0.0.1:{state.aws_port}/1/queue"
    assert running_children() - earlier == {process_of(second, AWS).pid, process_of(second, GATEWAY).pid}
    assert not second.up()
    assert templates_in(store) == kept


def test_subscribers_are_taken_from_the_template_too(first: Stack, second: Stack, terraform: TerraformStandIn) -> None:
    """Each with its state and a folder of links."""
    variables = subscriber_variables(2)
    replace(first, variables=variables).up()
    before = len(terraform.whole_calls)
    assert replace(second, variables=variables).up()
    assert [command for command, _, _ in terraform.whole_calls[before:]] == []
    states = [json.loads(second.directory.dependent(each).state.read_text()) for each in (BLUE, GREEN)]
    assert states == [{"name": "blue"}, {"name": "green"}]
    given = json.loads((second.directory.dependent(GREEN).root / "run.auto.tfvars.json").read_text())
    assert given["package"]["zip"]["path"] == str(second.directory.package)
    assert second.directory.dependents() == [BLUE, GREEN]


def test_cells_come_from_the_template_too(first: Stack, second: Stack, terraform: TerraformStandIn) -> None:
    """Each with its state, its outputs and a folder of links, and a gateway on a port of this stack's."""
    variables = cell_variables(3)
    replace(first, variables=variables).up()
    before = len(terraform.whole_calls)
    assert replace(second, variables=variables).up()
    assert [command for command, _, _ in terraform.whole_calls[before:]] == []
    assert second.directory.dependents() == [Dependent("cell", "north"), Dependent("cell", "south")]
    state = state_of(second)
    assert state.applied is not None
    assert {*state.applied.cells} == {"north", "south"}
    assert {*state.cell_ports.values()} & {*state_of(first).cell_ports.values()} == set()
    given = json.loads(
        (second.directory.dependent(Dependent("cell", "north")).root / "run.auto.tfvars.json").read_text()
    )
    assert given["gateway_endpoint"] == f"http://127.0.0.1:{state.cell_ports['north']}"
    assert not replace(second, variables=variables).up()


def test_a_chosen_port_is_used_with_a_template(first: Stack, second: Stack) -> None:
    """For the local AWS and the gateway."""
    first.up()
    assert second.up(Ports(aws=20_600, gateway=20_700))
    assert (state_of(second).aws_port, state_of(second).gateway_port) == (20_600, 20_700)
    saved = json.loads((second.directory.aws_state / "ministack" / "sqs.json").read_text())
    assert saved["queue"] == "http://127.0.0.1:20600/1/queue"


def test_terraform_is_initialised_when_it_is_needed(first: Stack, second: Stack, terraform: TerraformStandIn) -> None:
    """The initialisation takes seconds, for a plan or for a later apply; once."""
    first.up()
    second.up()
    before = len(terraform.calls)
    for _ in range(2):
        assert second.terraform(state_of(second)).interactive(["plan"]) == 0
    assert terraform.calls[before:] == ["init", "plan", "plan"]


def test_destroying_a_stack_from_a_template_initialises_terraform(
    first: Stack, second: Stack, terraform: TerraformStandIn
) -> None:
    """The subscribers' working copies, too."""
    variables = subscriber_variables(1)
    replace(first, variables=variables).up()
    with_one = replace(second, variables=variables)
    with_one.up()
    before = len(terraform.whole_calls)
    assert with_one.down(destroy=True)
    assert [(command, stack) for command, stack, _ in terraform.whole_calls[before:]] == [
        ("init", "subscriber"),
        ("destroy", "subscriber"),
        ("init", "hub"),
        ("destroy", "hub"),
    ]


def test_sources_that_change_while_they_are_applied_leave_no_template(
    first: Stack, store: TemplateStore, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether the old ones or the new ones were applied."""
    apply = Terraform.apply

    def edit(terraform: Terraform, observe: Callable[[ApplyProgress], None]) -> None:
        (first.project.terraform / "stacks" / "hub" / "main.tf").write_text("# changed\n")
        apply(terraform, observe)

    monkeypatch.setattr(Terraform, "apply", edit)
    assert first.up()
    assert "No template is kept of this stack: Sources have changed while they were applied." in written.getvalue()
    assert templates_in(store) == []


def test_an_image_has_a_template_of_its_own(first: Stack, store: TemplateStore) -> None:
    """Zip and image differ in what Terraform makes."""
    first.up()
    state = state_of(first)
    zip_key, image_key = (first._template_key(replace(state, engine=engine)) for engine in ("", "unix:///engine"))
    assert zip_key != image_key
    assert [path.stem for path in store.folder.iterdir()] == [zip_key]


def test_a_template_carries_no_secret_to_another_stack(first: Stack, second: Stack, store: TemplateStore) -> None:
    """Knowing one stack's would give root in all of them."""
    first.up()
    second.up()
    (path,) = store.folder.glob("*.template")
    template = Template.from_bytes(path.read_bytes(), path.stem)
    secret = state_of(first).secret
    assert not [name for name, content in template.files.items() if secret.encode() in content]
    assert secret not in json.dumps(template.outputs)
    assert state_of(second).secret != secret
