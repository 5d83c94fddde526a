"""A new stack starts from the template that the tests' own stack has left, or was started from itself."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from tests.e2e.scene import Scene
from tests.e2e.system import System, running_system
from tools.stack.access import AccountAccess
from tools.stack.local_aws import ACCOUNT


@pytest.fixture(scope="module")
def second(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Another stack of the same kind, in a folder with spaces and umlauts in its path, while the first one runs."""
    assert system.deployment.outputs
    with running_system(tmp_path_factory.mktemp("zweiter Stapel für Übungen"), "second") as second:
        yield second


def test_a_stack_from_a_template_has_the_same_ids_and_other_ports(system: System, second: System) -> None:
    """An apply would have made another API; and nothing leads to the first stack."""
    first_url, second_url = (urlsplit(stack.deployment.websocket_url) for stack in (system, second))
    assert second_url.path == first_url.path
    assert second_url.port == second.state.gateway_port != first_url.port
    ports = {urlsplit(url).port for url in second.deployment.queue_urls.values()}
    assert ports == {second.state.aws_port} != {system.state.aws_port}


def test_a_stack_from_a_template_has_its_own_secret(system: System, second: System) -> None:
    """The first stack's root is nobody in the second, and none of its files holds the first one's secret."""
    stranger = AccountAccess.root(ACCOUNT, second.state.aws_port, system.state.secret)
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.client("dynamodb").list_tables()
    files = [path for path in second.directory.path.rglob("*") if path.is_file()]
    assert not [path for path in files if system.state.secret.encode() in path.read_bytes()]


def test_a_plan_of_a_stack_from_a_template_shows_no_changes(second: System) -> None:
    """Data and state are as an apply would have made them."""
    plan = second.loudhailer("terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert plan.returncode == 0, plan.stdout + plan.stderr


async def test_a_stack_from_a_template_delivers_and_counts_a_broadcast(second: System) -> None:
    """APIs, streams, mappings, aliases and credentials work."""
    async with Scene(second) as scene:
        tenant = scene.tenant()
        guests = await scene.guests(await scene.session(tenant), 3)
        await scene.counted(tenant, len(guests))
        broadcast_id = await scene.broadcast({"tenantId": tenant}, "to the second stack")
        assert [(await guest.frame())["data"] for guest in guests] == ["to the second stack"] * len(guests)
        assert (await scene.report(broadcast_id))["delivered"] == len(guests)
