"""`up` and `down` over every kind of remains; the processes are `sleep`, Terraform is a stand-in."""

import io
import itertools
import json
import os
import pkgutil
import shutil
import signal
import stat
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_until
from tests.unit.tools.conftest import TerraformStandIn
from tools.console import Terminal
from tools.errors import OperatorError
from tools.image.build import BuiltImage
from tools.image.engine import ContainerEngine
from tools.stack import lifecycle
from tools.stack.cells import cell_variables
from tools.stack.dependents import Dependent
from tools.stack.deployment import Deployment
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import AWS, GATEWAY, GATEWAYS, LOST, TERRAFORM, Packaging, Ports, Stack
from tools.stack.processes import ProcessTable
from tools.stack.project import Project, digest_of
from tools.stack.state import StackState, save_state
from tools.stack.subscribers import subscriber_variables
from tools.stack.terraform import ApplyProgress, Terraform

SLEEP = [shutil.which("sleep") or "/bin/sleep", "60"]
APPLY = ["init", "apply", "output"]
NORTH, SOUTH = Dependent("cell", "north"), Dependent("cell", "south")

RELOADED: list[int] = []
"""The ports of the gateways that were notified of changed APIs."""


@pytest.fixture
def stack(
    project: Project,
    directory: StackDirectory,
    terminal: Terminal,
    terraform: TerraformStandIn,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Stack]:
    """A stack whose processes listen nowhere."""
    assert terraform.calls == []
    ports = iter(range(20_001, 20_100))
    start = ProcessTable.start
    monkeypatch.setattr(ProcessTable, "start", lambda table, name, _command, env: start(table, name, SLEEP, env))
    monkeypatch.setattr(lifecycle, "await_ready", lambda *_: None)
    monkeypatch.setattr(lifecycle, "answers", lambda _port: True)
    monkeypatch.setattr(lifecycle, "reload_gateway", lambda port, _secret: RELOADED.append(port))
    monkeypatch.setattr(lifecycle, "free_port", lambda preferred=0: preferred or next(ports))
    monkeypatch.setattr(Deployment, "client", lambda *_: None)  # there is no function whose traffic it would lead
    stack = Stack(project, directory, terminal)
    yield stack
    stack.down()


def process_of(stack: Stack, name: str) -> psutil.Process:
    """The running process of that name."""
    process = stack.processes.find(name)
    assert process is not None
    return process


def state_of(stack: Stack) -> StackState:
    """The state that is written down."""
    state = stack.state()
    assert state is not None
    return state


def calls_by_account(calls: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str], list[str]]:
    """The commands by the stack and the account that they are for."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for command, stack, account in calls:
        found[stack, account].append(command)
    return dict(found)


def test_up_starts_both_processes_and_applies(stack: Stack, terraform: TerraformStandIn) -> None:
    """From nothing to a running stack."""
    assert stack.up()
    assert terraform.calls == APPLY
    state = state_of(stack)
    assert state.applied is not None
    assert state.applied.outputs == {"http_url": "http://127.0.0.1:1/api", "functions": {}}
    assert process_of(stack, AWS).pid != process_of(stack, GATEWAY).pid
    assert RELOADED[-1] == state.gateway_port


def test_a_second_up_changes_nothing(stack: Stack, terraform: TerraformStandIn) -> None:
    """Not a process, not a byte, not a call."""
    stack.up()
    before = (process_of(stack, AWS), process_of(stack, GATEWAY), state_of(stack))
    assert not stack.up()
    assert terraform.calls == APPLY
    assert (process_of(stack, AWS), process_of(stack, GATEWAY), state_of(stack)) == before


def test_a_stack_with_one_cell_has_the_fingerprint_of_its_variables_alone(stack: Stack) -> None:
    """As before there were further cells: an update of this code does not apply its variables again."""
    stack.up()
    state = state_of(stack)
    assert state.applied is not None
    assert state.applied.fingerprint.variables == digest_of(stack.terraform_variables(state))


def test_force_applies_again(stack: Stack, terraform: TerraformStandIn) -> None:
    """For what the fingerprints can't see."""
    stack.up()
    assert stack.up(force=True)
    assert terraform.calls == [*APPLY, *APPLY]


@pytest.mark.parametrize(
    ("path", "title"),
    [("functions/broadcast/publish/handler.py", "functions"), ("terraform/stacks/hub/main.tf", "Terraform")],
)
def test_changed_sources_are_applied_and_named(
    stack: Stack, terraform: TerraformStandIn, written: io.StringIO, path: str, title: str
) -> None:
    """Editing and `up` is how one develops."""
    stack.up()
    (stack.project.root / path).write_text("# changed\n")
    assert stack.up()
    assert terraform.calls == [*APPLY, *APPLY]
    assert f"Changed since the last apply: {title}" in written.getvalue()


def test_a_changed_variable_is_applied(stack: Stack, terraform: TerraformStandIn) -> None:
    """The demonstration has other variables."""
    stack.up()
    assert replace(stack, variables={"broadcast": {"chunk_size": 10}}).up()
    assert terraform.calls == [*APPLY, *APPLY]


def test_each_subscriber_is_applied_in_its_account_after_the_hub(stack: Stack, terraform: TerraformStandIn) -> None:
    """With what the hub says of it, from a folder of its own; a second time nothing is done."""
    with_two = replace(stack, variables=subscriber_variables(2))
    assert with_two.up()
    assert terraform.whole_calls[:3] == [(command, "hub", "111111111111") for command in APPLY]
    assert calls_by_account(terraform.whole_calls[3:]) == {
        ("subscriber", "222222222222"): APPLY,
        ("subscriber", "333333333333"): APPLY,
    }
    given = json.loads(
        (stack.directory.dependent(Dependent("subscriber", "green")).root / "run.auto.tfvars.json").read_text()
    )
    assert given["cell"]["account_id"] == "333333333333"
    assert given["package"]["zip"]["path"] == str(stack.directory.package)
    assert not with_two.up()


def test_a_subscriber_removed_from_the_map_is_destroyed_after_the_hub_is_updated(
    stack: Stack, terraform: TerraformStandIn
) -> None:
    """The cell reads the shards again before nobody else does."""
    replace(stack, variables=subscriber_variables(2)).up()
    before = len(terraform.whole_calls)
    assert replace(stack, variables=subscriber_variables(1)).up()
    assert terraform.whole_calls[before:] == [
        *[(command, "hub", "111111111111") for command in APPLY],
        *[(command, "subscriber", "222222222222") for command in APPLY],
        ("destroy", "subscriber", "333333333333"),
    ]
    assert stack.directory.dependents() == [Dependent("subscriber", "blue")]


def test_a_subscriber_that_fails_is_applied_again(stack: Stack, terraform: TerraformStandIn) -> None:
    """The hub is applied before it, as ever."""
    with_one = replace(stack, variables=subscriber_variables(1))
    with_one.up()
    terraform.fail("apply", "no")
    with pytest.raises(OperatorError):
        with_one.up(force=True)
    terraform.succeed("apply")
    assert with_one.up()
    assert state_of(stack).applied is not None


def test_each_further_cell_is_applied_in_its_account_with_a_gateway_of_its_own(
    stack: Stack, terraform: TerraformStandIn
) -> None:
    """With what the hub says of it, and with the settings of the hub's own cell; a second time nothing is done."""
    variables = cell_variables(3) | {"connections": {"connections_per_partition": 50}, "cors_origins": ["*"]}
    with_cells = replace(stack, variables=variables)
    assert with_cells.up()
    assert terraform.whole_calls[:3] == [(command, "hub", "111111111111") for command in APPLY]
    assert calls_by_account(terraform.whole_calls[3:]) == {
        ("cell", "444444444444"): APPLY,
        ("cell", "666666666666"): APPLY,
    }
    state = state_of(stack)
    assert {*state.cell_ports} == {"north", "south"}
    assert len({state.aws_port, state.gateway_port, *state.cell_ports.values()}) == 4
    assert RELOADED[-3:] == [state.gateway_port, *state.cell_ports.values()]
    given = json.loads((stack.directory.dependent(SOUTH).root / "run.auto.tfvars.json").read_text())
    assert given == {
        "hub": {"account_id": "666666666666", "external_id": "local-south", "region": "us-east-1"},
        "package": {"zip": {"path": str(stack.directory.package), "hash": given["package"]["zip"]["hash"]}},
        "gateway_endpoint": f"http://127.0.0.1:{state.cell_ports['south']}",
        "connections": {"connections_per_partition": 50},
    }
    assert state.applied is not None
    assert {*state.applied.cells} == {"north", "south"}
    assert process_of(stack, "gateway-north").pid != process_of(stack, "gateway-south").pid
    assert not with_cells.up()


def test_cells_and_subscribers_are_applied_side_by_side(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits until all are being applied."""
    together = threading.Barrier(4, timeout=20)

    def apply(terraform: Terraform, _observe: object) -> None:
        if terraform.working.stack != "hub":
            together.wait()

    monkeypatch.setattr(Terraform, "apply", apply)
    assert replace(stack, variables=cell_variables(3) | subscriber_variables(2)).up()


def test_a_cell_that_fails_is_named_and_the_other_one_is_applied(
    stack: Stack, terraform: TerraformStandIn, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Terraform saw the failure itself, so the next `up` continues from there, on the same local AWS."""
    with_cells, apply = replace(stack, variables=cell_variables(3)), Terraform.apply

    def failing(terraform: Terraform, observe: Callable[[ApplyProgress], None]) -> None:
        if terraform.working == stack.directory.dependent(NORTH):
            raise OperatorError("terraform apply failed: no")
        apply(terraform, observe)

    with monkeypatch.context() as patch:
        patch.setattr(Terraform, "apply", failing)
        with pytest.raises(OperatorError, match=r"^The cell north: terraform apply failed: no$"):
            with_cells.up()
    assert calls_by_account(terraform.whole_calls)["cell", "666666666666"] == APPLY
    assert "✓ Applying the cell south" in written.getvalue()
    assert "✓ Applying the cell north" not in written.getvalue()
    aws = process_of(stack, AWS)
    assert with_cells.up()
    assert process_of(stack, AWS) == aws


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_ends_every_terraform(stack: Stack, terraform: TerraformStandIn) -> None:
    """While two cells are applied; the next `up` starts over, as nobody saw how far they came."""
    with_cells = replace(stack, variables=cell_variables(3))
    terraform.hang("apply", "cell")
    main = threading.main_thread().ident
    assert main is not None

    def interrupt_both() -> None:
        wait_until(lambda: terraform.whole_calls.count(("apply", "cell", "444444444444")) == 1)
        wait_until(lambda: terraform.whole_calls.count(("apply", "cell", "666666666666")) == 1)
        signal.pthread_kill(main, signal.SIGINT)

    operator = threading.Thread(target=interrupt_both)
    operator.start()
    with pytest.raises(KeyboardInterrupt):
        with_cells.up()
    operator.join()
    assert stack.processes.find(TERRAFORM) is None
    assert state_of(stack).applying
    terraform.go_on("apply", "cell")
    aws = process_of(stack, AWS)
    assert with_cells.up()
    assert process_of(stack, AWS) != aws


def test_a_killed_gateway_of_a_cell_is_started_again_on_its_port(stack: Stack, terraform: TerraformStandIn) -> None:
    """The others run on, and nothing is applied."""
    with_cells = replace(stack, variables=cell_variables(2))
    with_cells.up()
    before, others = state_of(stack), [process_of(stack, name) for name in (AWS, GATEWAY)]
    calls = terraform.calls
    process_of(stack, "gateway-north").kill()
    assert with_cells.up()
    assert state_of(stack) == before
    assert [process_of(stack, name) for name in (AWS, GATEWAY)] == others
    assert terraform.calls == calls


def test_a_cell_that_is_taken_out_of_the_map_is_destroyed_and_its_gateway_ended(
    stack: Stack, terraform: TerraformStandIn
) -> None:
    """Nothing of it is left."""
    replace(stack, variables=cell_variables(3)).up()
    assert replace(stack, variables=cell_variables(2)).up()
    assert terraform.whole_calls[-1] == ("destroy", "cell", "666666666666")
    assert stack.directory.dependents() == [NORTH]
    assert stack.processes.find("gateway-south") is None
    state = state_of(stack)
    assert state.applied is not None
    assert [*state.cell_ports] == [*state.applied.cells] == ["north"]


def test_a_cell_is_applied_again_after_its_port_was_taken(
    stack: Stack, terraform: TerraformStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its functions and its clients know its gateway by the port."""
    with_cells = replace(stack, variables=cell_variables(2))
    with_cells.up()
    before = len(terraform.calls)
    process_of(stack, "gateway-north").kill()
    monkeypatch.setattr(lifecycle, "free_port", lambda _preferred=0: 20_700)
    assert with_cells.up()
    assert state_of(stack).cell_ports == {"north": 20_700}
    assert terraform.calls[before:] == [*APPLY, *APPLY]


def test_down_ends_the_gateways_of_all_cells_without_a_state(stack: Stack) -> None:
    """After a crash that lost it."""
    replace(stack, variables=cell_variables(3)).up()
    stack.directory.state_file.unlink()
    assert stack.down()
    assert [name for name in GATEWAYS if stack.processes.find(name)] == []


def test_destroying_begins_with_the_subscribers(stack: Stack, terraform: TerraformStandIn) -> None:
    """The hub's resources that they read are there until they are gone."""
    replace(stack, variables=subscriber_variables(1)).up()
    assert stack.down(destroy=True)
    assert terraform.whole_calls[-2:] == [
        ("destroy", "subscriber", "222222222222"),
        ("destroy", "hub", "111111111111"),
    ]


def test_a_killed_local_aws_loses_its_subscribers(stack: Stack, terraform: TerraformStandIn) -> None:
    """They are applied again, from nothing."""
    with_one = replace(stack, variables=subscriber_variables(1))
    with_one.up()
    state = stack.directory.dependent(Dependent("subscriber", "blue")).state
    state.write_text("{}")
    process_of(stack, AWS).kill()
    assert with_one.up()
    assert not state.exists()
    assert terraform.whole_calls[-1] == ("output", "subscriber", "222222222222")


def test_a_killed_gateway_is_started_again_on_its_port(stack: Stack, terraform: TerraformStandIn) -> None:
    """The functions know it by its port, so nothing need be applied."""
    stack.up()
    port = state_of(stack).gateway_port
    process_of(stack, GATEWAY).kill()
    assert stack.up()
    assert state_of(stack).gateway_port == port
    assert terraform.calls == APPLY


def test_a_killed_local_aws_invalidates_terraforms_state(stack: Stack, terraform: TerraformStandIn) -> None:
    """Terraform would look for resources that are no more, and find none of them."""
    stack.up()
    stack.directory.hub.state.write_text("{}")
    gateway = process_of(stack, GATEWAY)
    process_of(stack, AWS).kill()
    assert stack.up()
    assert not stack.directory.hub.state.exists()
    assert terraform.calls == [*APPLY, *APPLY]
    assert process_of(stack, GATEWAY) != gateway


def test_up_reports_the_losses_of_a_killed_local_aws(
    stack: Stack, terraform: TerraformStandIn, written: io.StringIO
) -> None:
    """Once, and before anything of the old stack goes; what is not begun with yet cannot be lost."""
    stack.up()
    process_of(stack, AWS).kill()
    stack.up()
    assert written.getvalue().count(LOST) == 0
    stack.seed(lambda: None)
    assert not stack.up()
    assert written.getvalue().count(LOST) == 0
    process_of(stack, AWS).kill()
    terraform.fail("apply", "no")
    with pytest.raises(OperatorError):
        stack.up()
    assert written.getvalue().count(LOST) == 1
    terraform.succeed("apply")
    assert stack.up()
    assert written.getvalue().count(LOST) == 1
    for lost in ("tenants", "sessions", "connections", "messages", "accepted broadcasts", "reports"):
        assert lost in LOST


def test_a_process_with_a_reused_id_is_not_mistaken_for_the_local_aws(
    stack: Stack, terraform: TerraformStandIn
) -> None:
    """Same mark and name, but another process than the one that holds the resources."""
    stack.up()
    save_state(stack.directory.state_file, replace(state_of(stack), aws_identity="1@5f0c"))
    assert stack.up()
    assert terraform.calls == [*APPLY, *APPLY]


@pytest.mark.parametrize("text", ["", "{", "garbage", '{"version": 99}'])
def test_a_damaged_state_is_replaced(stack: Stack, terraform: TerraformStandIn, text: str) -> None:
    """The processes it no longer knows of are found by their mark, and ended."""
    stack.up()
    old = process_of(stack, AWS)
    stack.directory.state_file.write_text(text)
    assert stack.up()
    assert not old.is_running() or old.status() == psutil.STATUS_ZOMBIE
    assert terraform.calls == [*APPLY, *APPLY]


def test_an_apply_without_a_recorded_end_is_started_over(stack: Stack, terraform: TerraformStandIn) -> None:
    """Its resources may be missing in its state, and would be in the way for ever; it may even still run."""
    stack.up()
    save_state(stack.directory.state_file, replace(state_of(stack), applying=True, applied=None))
    orphan = stack.processes.start(TERRAFORM, SLEEP, os.environ)
    aws = process_of(stack, AWS)
    assert stack.up()
    assert process_of(stack, AWS) != aws
    assert stack.processes.find(TERRAFORM) is None
    assert not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE
    assert terraform.calls == [*APPLY, *APPLY]


def test_an_interrupted_apply_is_started_over(
    stack: Stack, terraform: TerraformStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C ends Terraform between two resources."""
    with monkeypatch.context() as patch:
        patch.setattr("tools.stack.terraform.Terraform.apply", interrupt)
        with pytest.raises(KeyboardInterrupt):
            stack.up()
    aws = process_of(stack, AWS)
    assert stack.up()
    assert process_of(stack, AWS) != aws
    assert terraform.calls == ["init", *APPLY]


def running_children() -> set[int]:
    """The ids of this process's children that run."""
    return {process.pid for process in psutil.Process().children() if process.status() != psutil.STATUS_ZOMBIE}


def interrupt(*_: object) -> None:
    """Do what Ctrl-C does."""
    raise KeyboardInterrupt


def interrupt_at(step: str, number: int, command: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the command, and do what Ctrl-C does at the call of that number of a function or method."""
    owner, _, name = step.rpartition(".")
    real = getattr(pkgutil.resolve_name(owner), name)
    calls = itertools.count(1)

    def interrupted(*arguments: object, **options: object) -> object:
        if next(calls) == number:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(step, interrupted)
        with pytest.raises(KeyboardInterrupt):
            command()


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("tools.stack.lifecycle.build_package", 1),
        ("tools.stack.processes.ProcessTable.start", 1),
        ("tools.stack.processes.ProcessTable.start", 2),
        ("tools.stack.terraform.Terraform.outputs", 1),
        ("tools.stack.lifecycle.reload_gateway", 1),
        *[("tools.stack.lifecycle.save_state", number) for number in range(1, 4)],
    ],
)
def test_every_interrupted_step_is_completed_by_the_next_up(
    stack: Stack, terraform: TerraformStandIn, monkeypatch: pytest.MonkeyPatch, step: str, number: int
) -> None:
    """Ctrl-C between any two steps of `up` leaves nothing in the way, and no process of the first try runs on."""
    earlier = running_children()
    interrupt_at(step, number, stack.up, monkeypatch)
    stack.up()
    assert state_of(stack).applied is not None
    assert not state_of(stack).applying
    assert terraform.calls[-1] == "output"
    kept = {process_of(stack, AWS).pid, process_of(stack, GATEWAY).pid}
    assert running_children() - earlier == kept
    assert not stack.up()


def test_a_path_may_have_spaces_and_umlauts(stack: Stack, terraform: TerraformStandIn, tmp_path: Path) -> None:
    """The checkout and the state directory are below a home that is named after a person."""
    project = Project(stack.project.root.rename(tmp_path / "Jürgen Groß \N{GRINNING FACE}"))
    elsewhere = replace(stack, project=project, directory=StackDirectory(tmp_path / "Zustände für mich" / "local"))
    try:
        assert elsewhere.up()
        assert terraform.calls == APPLY
        assert not elsewhere.up()
    finally:
        assert elsewhere.down()
    assert not elsewhere.directory.path.exists()


def test_a_failed_apply_continues_at_the_next_up(stack: Stack, terraform: TerraformStandIn) -> None:
    """Terraform saw the failure itself, so its state is true."""
    terraform.fail("apply", "no reason given")
    with pytest.raises(OperatorError, match="terraform apply failed"):
        stack.up()
    aws = process_of(stack, AWS)
    terraform.succeed("apply")
    assert stack.up()
    assert process_of(stack, AWS) == aws


def test_a_chosen_port_is_used(stack: Stack) -> None:
    """A port that the operator names wins over the one that is remembered."""
    stack.up()
    assert stack.up(Ports(gateway=20_500))
    assert state_of(stack).gateway_port == 20_500
    assert stack.up(Ports(aws=20_600))
    assert state_of(stack).aws_port == 20_600


def test_down_removes_every_trace(stack: Stack) -> None:
    """Processes and files."""
    stack.up()
    assert stack.down()
    assert stack.processes.find(AWS) is None
    assert stack.processes.find(GATEWAY) is None
    assert not stack.directory.path.parent.exists()
    assert not stack.down()


def test_down_works_without_a_state(stack: Stack) -> None:
    """After a crash that lost it."""
    stack.up()
    stack.directory.state_file.unlink()
    assert stack.down()
    assert stack.processes.find(AWS) is None


def test_down_destroys_on_request(stack: Stack, terraform: TerraformStandIn) -> None:
    """To try that the resources can be destroyed."""
    stack.up()
    stack.down(destroy=True)
    assert terraform.calls[-1] == "destroy"


def test_a_missing_terraform_is_noticed_before_anything_is_started(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is left to be cleaned up."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("LOUDHAILER_HASHICORP_RELEASES", "file:///no/releases")
    with pytest.raises(OperatorError, match="is missing"):
        stack.up()
    assert not stack.directory.path.exists()


IMAGE_ID = f"sha256:{'a' * 64}"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ContainerEngine:
    """A container engine that has built the image already."""
    engine = ContainerEngine("docker", "unix:///engine.sock")

    def build(_root: object, _engine: ContainerEngine, *, platform: str, tag: str, base: str) -> BuiltImage:
        return BuiltImage(IMAGE_ID, tag, f"{base} for {platform}", ())

    monkeypatch.setattr(lifecycle, "running_engine", lambda: nullcontext(engine))
    monkeypatch.setattr(lifecycle, "own_platform", lambda _engine: "linux/arm64")
    monkeypatch.setattr(lifecycle, "local_base", lambda *_: "base")
    monkeypatch.setattr(lifecycle, "build", build)
    return engine


def test_functions_can_run_the_image(stack: Stack, engine: ContainerEngine, terraform: TerraformStandIn) -> None:
    """Terraform gets the image by its digest, and the local AWS the engine that runs it."""
    assert stack.up(packaging=Packaging.IMAGE)
    assert terraform.calls == APPLY
    variables = json.loads((stack.directory.hub.root / "run.auto.tfvars.json").read_text())
    assert variables["package"] == {"image": {"repository_url": "loudhailer", "digest": IMAGE_ID}}
    assert state_of(stack).engine == engine.address
    assert not stack.up(packaging=Packaging.IMAGE)


@pytest.mark.usefixtures("engine")
def test_a_local_aws_without_an_engine_is_replaced_for_the_image(stack: Stack) -> None:
    """It was started for zips and cannot run a container; the other way round it can stay."""
    stack.up()
    first = process_of(stack, AWS)
    assert stack.up(packaging=Packaging.IMAGE)
    second = process_of(stack, AWS)
    assert second != first
    assert stack.up()
    assert process_of(stack, AWS) == second


def test_a_throttling_local_aws_is_replaced_by_an_unthrottled_one(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The flag is the process's; as long as it stays the same, so does the process."""
    commands: list[list[str]] = []
    start = ProcessTable.start

    def noted(table: ProcessTable, name: str, command: list[str], environment: Mapping[str, str]) -> psutil.Process:
        if name == AWS:
            commands.append(command)
        return start(table, name, command, environment)

    monkeypatch.setattr(ProcessTable, "start", noted)
    stack.up()
    unthrottled = replace(stack, throttling=False)
    assert unthrottled.up()
    second = process_of(stack, AWS)
    assert ["--no-throttling" in command for command in commands] == [False, True]
    assert not unthrottled.up()
    assert process_of(stack, AWS) == second


def test_each_stack_has_a_secret_of_its_own_that_its_processes_and_terraform_get(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In their environment, which no other user can read; it stays the same as long as the stack is there."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "the operator's own")
    stack.up()
    state = state_of(stack)
    assert len(state.secret) == 40
    for name in (AWS, GATEWAY):
        process = process_of(stack, name)
        assert process.environ()["AWS_SECRET_ACCESS_KEY"] == state.secret
        assert state.secret not in " ".join(process.cmdline())
    assert stack.terraform(state).environment["AWS_SECRET_ACCESS_KEY"] == state.secret
    process_of(stack, AWS).kill()
    stack.up()
    assert state_of(stack).secret == state.secret
    other = replace(stack, directory=StackDirectory(tmp_path / "other home" / "local"))
    other.up()
    try:
        assert state_of(other).secret != state.secret
    finally:
        other.down()


def test_a_stack_of_a_release_without_secrets_is_recreated(stack: Stack) -> None:
    """Its processes would admit any caller."""
    stack.up()
    before, path = process_of(stack, AWS).pid, stack.directory.state_file
    document = json.loads(path.read_text())
    del document["secret"]
    path.write_text(json.dumps({**document, "version": 1}))
    assert stack.up()
    assert process_of(stack, AWS).pid != before
    assert len(state_of(stack).secret) == 40


def test_the_state_directory_is_private_to_its_owner(stack: Stack) -> None:
    """It holds the secret, what the local AWS keeps and the logs."""
    stack.up()
    assert stat.S_IMODE(stack.directory.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(stack.directory.state_file.stat().st_mode) == 0o600
