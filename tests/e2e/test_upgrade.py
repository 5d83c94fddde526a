"""New code reaches a running system: nobody is disconnected, and a version that fails is taken back."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.scene import EVERYONE, Scene
from tests.e2e.system import System
from tools.client.http import HttpApi
from tools.console import Terminal
from tools.errors import OperatorError
from tools.release.errors import ErrorLog
from tools.release.health import SyntheticBroadcast
from tools.release.shift import GradualShift, Steps
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import Stack
from tools.stack.package import build_package
from tools.stack.project import Project
from tools.stack.state import StackState
from tools.stack.template_store import TemplateStore
from tools.stack.terraform import zip_hash
from tools.stack.traffic import Traffic

ROOT = Path(__file__).parents[2]
CROWD = 20
FASTER = '\nlogger.info("this is the new code")\n'
FAILING = """

def handler(event: object, context: object) -> object:
    raise RuntimeError("this is the bad code")
"""


@dataclass(frozen=True)
class Checkout:
    """A copy of the code that can be edited, and the stack that runs it."""

    stack: Stack

    @property
    def state(self) -> StackState:
        """Outputs of the stack."""
        state = self.stack.state()
        assert state is not None
        return state

    @property
    def system(self) -> System:
        """The system as the other tests know it."""
        return System(self.stack.directory.path.parent, self.stack.directory.path.name, self.state)

    @property
    def traffic(self) -> Traffic:
        """The aliases of all its functions."""
        return Traffic(self.system.functions, [*self.system.deployment.functions.values()])

    def edit(self, path: str, text: str) -> None:
        """Add to a source file."""
        with (self.stack.project.root / path).open("a") as file:
            file.write(text)

    def up(self) -> bool:
        """Bring the stack up to date, as the command does."""
        with self.stack.directory.locked(lambda: None):
            return self.stack.up()

    def publish(self) -> None:
        """Let Terraform publish the changed functions; no alias is moved."""
        code = build_package(self.stack.project, self.stack.directory.package)
        terraform = self.stack.terraform(self.state)
        package = {"zip": {"path": str(self.stack.directory.package), "hash": zip_hash(code)}}
        terraform.prepare({**self.stack.terraform_variables(self.state), "package": package})
        terraform.apply(lambda _: None)

    async def shift(self, printed: list[str]) -> None:
        """Shift to the published versions, quickly."""
        shards = len(self.system.deployment.shard_names)
        broadcast = SyntheticBroadcast(
            HttpApi(self.system.deployment.http_url), self.system.tenants, shards, through=range(shards)
        )
        steps = Steps(weights=(0.5,), watch_seconds=0)
        await GradualShift(self.traffic, ErrorLog(self.system.logs), broadcast, steps, printed.append)()

    def logged(self, text: str) -> bool:
        """Tell whether a function has logged this."""
        return text in self.system.loudhailer("logs", "--lines", "100000").stdout


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A stack of a copy of the code."""
    root = tmp_path_factory.mktemp("checkout")
    for folder in ("terraform", "functions", "shared", "clients"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns(".terraform", "__pycache__"))
    templates = TemplateStore.of_the_user(os.environ)
    directory = StackDirectory(root / "state" / "upgrade")
    checkout = Checkout(Stack(Project(root), directory, Terminal(), templates=templates))
    try:
        checkout.up()
        yield checkout
    finally:
        checkout.stack.down()


@pytest.mark.nightly  # by day: through a promotion and a rollback, test_sockets_stay_open_from_promotion_to_rollback
async def test_connections_stay_open_while_new_code_takes_over(checkout: Checkout) -> None:
    """Every socket that was there before gets a broadcast of the new code, and nothing drifts from the plan."""
    async with Scene(checkout.system) as scene:
        guests = await scene.guests(await scene.session(scene.tenant()), CROWD)
        checkout.edit("functions/broadcast/post_message/handler.py", FASTER)
        assert await asyncio.to_thread(checkout.up)
        broadcast_id = await scene.broadcast(EVERYONE, "from the new code")
        for guest in guests:
            assert (await guest.frame())["data"] == "from the new code"
            assert guest.is_open
        assert (await scene.report(broadcast_id))["delivered"] == CROWD
    assert checkout.logged("this is the new code")
    plan = checkout.system.loudhailer("terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert plan.returncode == 0, plan.stdout + plan.stderr


@pytest.mark.nightly
async def test_a_good_version_takes_over_step_by_step(checkout: Checkout) -> None:
    """No invocation runs it before the shift; then all do, and no weights remain."""
    checkout.edit("functions/broadcast/swarm/handler.py", FASTER.replace("the new code", "the shifted code"))
    await asyncio.to_thread(checkout.publish)
    assert len(checkout.traffic.pending()) == len(checkout.system.deployment.functions)
    printed: list[str] = []
    await checkout.shift(printed)
    assert checkout.traffic.pending() == []
    assert checkout.traffic.unfinished() == []
    assert ["50%" in printed[0], "All invocations" in printed[1]] == [True, True]
    assert checkout.logged("this is the shifted code")


@pytest.mark.parametrize("function", [pytest.param("publish", marks=pytest.mark.nightly), "query"])
async def test_a_failing_version_is_rolled_back(checkout: Checkout, function: str) -> None:
    """Its errors, or the synthetic broadcast, show it; the earlier version finishes the work that it began."""
    handler = f"functions/broadcast/{function}/handler.py"
    before = (checkout.stack.project.root / handler).read_text()
    stable = {shift.function: shift.stable for shift in checkout.traffic.pending()}
    checkout.edit(handler, FAILING)
    await asyncio.to_thread(checkout.publish)
    shifts = checkout.traffic.pending()
    with pytest.raises(OperatorError, match="not well"):
        await checkout.shift([])
    assert checkout.traffic.unfinished() == []
    assert checkout.traffic.pending() == shifts
    assert {shift.function: shift.stable for shift in shifts if shift.function in stable} == stable
    async with Scene(checkout.system) as scene:
        guests = await scene.guests(await scene.session(tenant := scene.tenant()), CROWD)
        await scene.broadcast({"tenantId": tenant}, "as before")
        assert [(await guest.frame())["data"] for guest in guests] == ["as before"] * CROWD
    (checkout.stack.project.root / handler).write_text(before)
