"""Three cells in three accounts on a stack of their own: the hub's, and two further ones, each with its own gateway.

Each stack is applied with its own account's credentials, and IAM is enforced: what is refused here, AWS would refuse.
"""

import asyncio
import time
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import psutil
import pytest
from playwright.async_api import expect

from loudhailer.broadcast.report import Report
from loudhailer.broadcast.snapshots.dynamodb import DynamoSnapshotStore
from loudhailer.cells.placements.model import name_of_player, placement_after
from loudhailer.ids import HUB, BroadcastId, CellName, PlayerId, TenantId
from loudhailer.inbox.model import Inbox
from tests.e2e.browser import LOST, running_browser, visits
from tests.e2e.faults import paused
from tests.e2e.grants import GrantsAccount, TenantCredentials, allowed
from tests.e2e.scene import EVERYONE, Guest, Scene, SceneSession
from tests.e2e.system import System, running_system, secrets_in_logs
from tests.support.decisions import disagreements
from tests.support.orders import signed_by_root
from tests.support.waiting import PATIENCE_SECONDS, eventually
from tools.client.crowd import Crowd
from tools.client.http import ApiError, HttpApi
from tools.client.socket import HandshakeRefusedError
from tools.console import Terminal
from tools.emulator.aws.options import DECISIONS
from tools.operations.cells import await_tenants
from tools.operations.draining import Draining, order_drain
from tools.stack.cells import CELL_ACCOUNTS, cell_variables, gateway_of
from tools.stack.dependents import Dependent
from tools.stack.deployment import Deployment
from tools.stack.lifecycle import Stack
from tools.stack.local_aws import local_endpoint
from tools.stack.processes import ProcessTable
from tools.stack.project import Project

NORTH, SOUTH = map(CellName, CELL_ACCOUNTS)
CELLS = {HUB, NORTH, SOUTH}
STRANGER = "999999999999"
EACH = 4
"""Sessions on each cell."""

OVERLAP_SECONDS = 12
"""Longer than a broadcast takes here, so that none is still to be posted when an old connection is closed."""

MOST_SESSIONS = 100
"""Sessions among which some are on each cell; that a hundred leave one out has no chance."""

OUTCOMES = ("expected", "dispatched", "delivered", "gone", "failed", "inFlight")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A stack with three cells, in place of the one that all other tests share."""
    decisions = tmp_path_factory.mktemp("decisions") / "decisions.jsonl"
    home = tmp_path_factory.mktemp("stacks")
    with running_system(home, "cells", "--cells", "3", **{DECISIONS: str(decisions)}) as running:
        yield running
        assert secrets_in_logs(running) == set()
    assert disagreements(decisions) == []


class CellScene:
    """A tenant with sessions on every cell."""

    def __init__(self, scene: Scene, tenant: TenantId) -> None:
        self.scene = scene
        self.tenant = tenant
        self.names = {cell.websocket_url: name for name, cell in scene.system.deployment.all_cells.items()}
        self.sessions: dict[CellName, list[SceneSession]] = defaultdict(list)

    @classmethod
    async def of(cls, scene: Scene, **limits: Any) -> "CellScene":
        """A new tenant that every cell knows."""
        tenant = scene.tenant(**limits)
        await asyncio.to_thread(await_tenants, scene.system.deployment, PATIENCE_SECONDS)
        return cls(scene, tenant)

    def cell_of(self, session: SceneSession) -> CellName:
        """The cell that the service has placed a session on."""
        return self.names[session.websocket_url]

    async def fill(self, each: int = EACH) -> None:
        """Open sessions until each cell has some."""
        for _ in range(MOST_SESSIONS):
            session = await self.scene.session(self.tenant)
            self.sessions[self.cell_of(session)].append(session)
            if min(len(self.sessions[cell]) for cell in CELLS) >= each:
                return
        pytest.fail(f"of {MOST_SESSIONS} sessions, not {each} are on each cell")

    async def guests(self) -> dict[CellName, list[Guest]]:
        """One guest of each session, by cell."""
        return {
            cell: await asyncio.gather(*map(self.scene.connect, sessions)) for cell, sessions in self.sessions.items()
        }


@pytest.fixture
async def cells(scene: Scene) -> CellScene:
    """A tenant with sessions on every cell."""
    filled = await CellScene.of(scene)
    await filled.fill()
    return filled


PLAN = ("plan", "-detailed-exitcode", "-input=false", "-no-color")


@pytest.mark.nightly
@pytest.mark.parametrize("name", [NORTH, SOUTH])
def test_a_plan_of_each_cell_shows_no_changes(system: System, name: CellName) -> None:
    """The resources applied in its account are there unchanged."""
    stack = Stack(Project.of_this_code(), system.directory, Terminal(), cell_variables(3))
    assert stack.dependent_terraform(system.state, Dependent("cell", name)).interactive(PLAN) == 0


@pytest.mark.nightly
def test_a_plan_of_a_hub_with_further_cells_shows_no_changes(system: System) -> None:
    """Nor does that of the hub."""
    plan = system.loudhailer("terraform", *PLAN)
    assert plan.returncode == 0, plan.stdout + plan.stderr


async def test_each_cell_gets_sessions_and_a_session_stays_where_it_is(cells: CellScene) -> None:
    """The answer to a PUT is the cell's URL; each has a handshake of its own, and no other cell knows the session."""
    for cell, sessions in cells.sessions.items():
        again = [await cells.scene.api.open_session(each.tenant, each.session) for each in sessions]
        assert {cells.names[url] for url in again} == {cell}
    (here, *_), (elsewhere, *_) = cells.sessions[NORTH], cells.sessions[SOUTH]
    await cells.scene.connect(here)
    moved = SceneSession(here.tenant, here.session, elsewhere.websocket_url)
    with pytest.raises(HandshakeRefusedError):
        await Guest.connect(moved.url)


async def test_all_devices_of_a_player_are_on_one_cell(cells: CellScene) -> None:
    """A session that is new follows the player."""
    found = [await cells.scene.session(cells.tenant, "alice") for _ in range(6)]
    assert len({session.websocket_url for session in found}) == 1


async def test_one_broadcast_reaches_all_sockets_of_all_cells(cells: CellScene) -> None:
    """Once each; the report adds up at every look, and says what each cell has done."""
    guests = await cells.guests()
    everybody = [guest for group in guests.values() for guest in group]
    for audience in ({"tenantId": cells.tenant}, EVERYONE):
        broadcast_id = await cells.scene.broadcast(audience, "to all cells")
        reports = await cells.scene.reports(broadcast_id)
        for report in reports:
            assert_sums(report)
        by_cell = reports[-1]["byCell"]
        assert {cell: part["delivered"] for cell, part in by_cell.items()} == {
            cell: len(group) for cell, group in guests.items()
        }
        assert (reports[-1]["waitingFor"], reports[-1]["silent"]) == ([], [])
        frames = [await guest.frame() for guest in everybody]
        assert [(frame["id"], frame["data"]) for frame in frames] == [(broadcast_id, "to all cells")] * len(everybody)
    received = await cells.scene.received(everybody)
    assert received == [[]] * len(everybody)


def assert_sums(report: Mapping[str, Any]) -> None:
    """A report's numbers are the sums of its cells'."""
    parts = report["byCell"].values()
    for outcome in OUTCOMES:
        numbers = [part[outcome] for part in parts]
        assert report[outcome] == (None if None in numbers else sum(numbers)), report


async def test_a_session_is_reached_on_its_cell_alone(cells: CellScene) -> None:
    """A broadcast to one session, whichever cell it is on."""

    async def reach(cell: CellName) -> None:
        session = cells.sessions[cell][0]
        guest = await cells.scene.connect(session)
        broadcast_id = await cells.scene.broadcast({"tenantId": session.tenant, "sessionId": session.session})
        assert (await guest.frame())["id"] == broadcast_id
        report = await cells.scene.report(broadcast_id)
        assert {name: part["delivered"] for name, part in report["byCell"].items() if part["delivered"]} == {cell: 1}

    await asyncio.gather(*map(reach, CELLS))


async def test_direct_messages_reach_a_player_on_another_cell(cells: CellScene) -> None:
    """In the order of each sender: at once a player who is connected, and one who is not on return.

    Before, they were acknowledged, and stayed in the inbox of the sender's cell.
    """
    names = {cell: await player_on(cells, cell) for cell in CELLS}
    players = {cell: await cells.scene.connect(await cells.scene.session(cells.tenant, names[cell])) for cell in CELLS}
    absent = await player_on(cells, SOUTH)
    texts = {cell: [f"{cell} {number}" for number in range(3)] for cell in CELLS}
    for receiver in (names[NORTH], absent):
        await asyncio.gather(*(acknowledged(players[cell], texts[cell], receiver) for cell in (HUB, SOUTH)))
    returned = await cells.scene.connect(await cells.scene.session(cells.tenant, absent))
    for guest in (players[NORTH], returned):
        received = [(await guest.frame())["message"] for _ in range(6)]
        for cell in (HUB, SOUTH):
            assert [text for text in received if text in texts[cell]] == texts[cell]
    await eventually(lambda: waiting(cells, names[NORTH], absent), lambda found: not any(found.values()))


async def test_direct_messages_follow_a_player_to_another_cell(cells: CellScene) -> None:
    """They wait on the player's cell, and are brought to the next one when the player connects there."""
    player = await player_on(cells, NORTH)
    sender = await cells.scene.connect(await cells.scene.session(cells.tenant, await player_on(cells, HUB)))
    texts = ["first", "second"]
    await acknowledged(sender, texts, player)
    await eventually(
        lambda: waiting(cells, player),
        lambda found: {cell: len(texts) for cell, texts in found.items()} == {HUB: 0, NORTH: 2, SOUTH: 0},
    )
    placements, name = cells.scene.system.deployment.placements, name_of_player(PlayerId(player))
    assert placements is not None
    placed_before = placements.get(cells.tenant, [name])[name]
    assert placements.put(cells.tenant, name, placement_after(placed_before, SOUTH, None, int(time.time())))
    session = await cells.scene.session(cells.tenant, player)
    assert cells.cell_of(session) == SOUTH
    guest = await cells.scene.connect(session)
    assert [(await guest.frame())["message"] for _ in texts] == texts
    await eventually(lambda: waiting(cells, player), lambda found: not any(found.values()))


async def acknowledged(sender: Guest, texts: Iterable[str], receiver: str) -> None:
    """Send each message once the one before is acknowledged."""
    for text in texts:
        sender.send_json({"action": "sendmessage", "message": text, "destinationPlayerId": receiver})
        assert (await sender.frame())["status"] == "Message sent!"


def waiting(cells: CellScene, *players: str) -> dict[CellName, list[str]]:
    """The messages in the players' inboxes on each cell."""
    return {
        name: [
            message.message
            for player in players
            for message in cell.inboxes.oldest(Inbox(cells.tenant, PlayerId(player)), 100)
        ]
        for name, cell in cells.scene.system.deployment.all_cells.items()
    }


async def test_each_cell_lets_in_its_share_of_a_tenants_connections(scene: Scene) -> None:
    """One of three each, also on the hub's own cell; so nobody is let in beyond the tenant's limit."""
    cells = await CellScene.of(scene, tenant_connections=3)
    await cells.fill(2)
    for first, second, *_ in cells.sessions.values():
        await scene.connect(first)
        with pytest.raises(HandshakeRefusedError) as refused:
            await Guest.connect(second.url)
        assert refused.value.refusal.status == 429


async def test_a_broadcast_is_cancelled_on_every_cell(cells: CellScene, system: System) -> None:
    """North has not received it yet, and ends it on arrival; clients that have it keep it."""
    guests = await cells.guests()
    await cells.scene.counted(cells.tenant, sum(map(len, guests.values())))
    with paused(system, "broadcast", cell=NORTH):
        broadcast_id = await cells.scene.broadcast({"tenantId": cells.tenant})
        look = partial(report_of, cells, broadcast_id)
        await eventually(look, partial(all_finished, cells=(HUB, SOUTH)))
        command = asyncio.create_task(asyncio.to_thread(system.loudhailer, "cancel", broadcast_id))
        north = system.deployment.cells[NORTH].broadcasts
        await eventually(lambda: north.summary(BroadcastId(broadcast_id)), lambda found: found and found.cancelled)
    done = await command
    assert done.returncode == 0, done.stderr
    report = await cells.scene.report(broadcast_id)
    assert_sums(report)
    assert report["cancelled"]
    assert (part(report, NORTH, "delivered"), part(report, NORTH, "failed")) == (0, len(guests[NORTH]))
    assert report["delivered"] == len(guests[HUB]) + len(guests[SOUTH])
    assert await cells.scene.received(guests[NORTH]) == [[]] * len(guests[NORTH])


async def test_a_tenant_is_changed_and_deleted_on_every_cell(scene: Scene) -> None:
    """Its limits are shared out; once it is being erased, no cell admits a client."""
    cells = await CellScene.of(scene, tenant_connections=60)
    deployment = scene.system.deployment
    await cells.fill(1)

    def limits() -> list[int]:
        return [row.tenant_connections for row in copies(deployment, cells.tenant).values() if row]

    assert limits() == [20, 20]
    tenant = deployment.tenants.get(cells.tenant)
    assert tenant is not None
    deployment.tenants.put(replace(tenant, tenant_connections=90))
    await eventually(limits, lambda found: found == [30, 30])
    deployment.tenants.begin_erasing(cells.tenant)
    await eventually(lambda: copies(deployment, cells.tenant), lambda found: not any(found.values()))
    for session, *_ in cells.sessions.values():
        await eventually(partial(is_refused, session))
    with pytest.raises(ApiError, match="400"):
        await scene.session(cells.tenant)


@pytest.mark.nightly
async def test_the_command_erases_a_tenant_on_every_cell(cells: CellScene, system: System) -> None:
    """Its clients are disconnected, no cell has a row of it, and another tenant keeps its own."""
    other = await CellScene.of(cells.scene)
    await other.fill(1)
    guests = await cells.guests()
    others = await other.guests()
    await cells.scene.counted(cells.tenant, sum(map(len, guests.values())))
    deleted = await asyncio.to_thread(system.loudhailer, "tenant", "delete", cells.tenant)
    assert deleted.returncode == 0, deleted.stderr
    for group in guests.values():
        for guest in group:
            await guest.closed()
    for cell in system.deployment.all_cells.values():
        assert not any(list(page) for page in cell.sessions.of_tenant(cells.tenant))
    assert cells.scene.system.count(cells.tenant).agrees_with(0)
    assert placed(system, cells.tenant) == []
    assert len(placed(system, other.tenant)) >= len(CELLS)
    broadcast_id = await cells.scene.broadcast({"tenantId": other.tenant})
    for group in others.values():
        for guest in group:
            assert (await guest.frame())["id"] == broadcast_id


def placed(system: System, tenant: TenantId) -> list[str]:
    """The keys of the rows that the hub has of a tenant's placements and cells."""
    pages = system.dynamodb.get_paginator("scan").paginate(TableName=system.table("placements"), ConsistentRead=True)
    keys = [row["key"]["S"] for page in pages for row in page["Items"]]
    return [key for key in keys if key.startswith(f"{tenant}#")]


def copies(deployment: Deployment, tenant: TenantId) -> dict[CellName, Any]:
    """The tenant as each further cell has it."""
    return {name: cell.tenants.get(tenant, consistent=True) for name, cell in deployment.cells.items()}


async def is_refused(session: SceneSession) -> bool:
    """Tell whether a handshake is refused."""
    try:
        guest = await Guest.connect(session.url)
    except HandshakeRefusedError:
        return True
    await guest.reset()
    return False


async def test_a_session_that_names_a_cell_is_placed_like_any_other(cells: CellScene) -> None:
    """The field is not read, as all unknown ones."""
    session = cells.sessions[NORTH][0]
    query = {"tenantId": session.tenant, "sessionId": session.session, "cell": SOUTH}
    answer = await cells.scene.api.call("PUT", "/session", query=query)
    assert answer["webSocketUrl"] == session.websocket_url


class CellAccount:
    """A further cell's account, and the role that its functions have in the hub."""

    def __init__(self, system: System, name: CellName) -> None:
        self.hub: dict[str, Any] = system.deployment.outputs["cells"][name]
        self.account = GrantsAccount(system, CELL_ACCOUNTS[name])
        self.role: str = self.hub["role"]["arn"]

    def itself(self, function: str) -> TenantCredentials:
        """The credentials of one of its functions."""
        prefix = self.hub["prefix"]
        return self.account.credentials_of(f"arn:aws:iam::{self.hub['account_id']}:role/{prefix}/{prefix}-{function}")

    def assumes(self, function: str, role: str, external_id: str) -> bool:
        """Tell whether a function can assume a role."""
        return self.account.assumes(self.itself(function), role, ExternalId=external_id)

    def in_the_hub(self, service: str) -> Any:
        """A client of the hub's tables with the role of the cell."""
        return self.as_role(service, "report", self.role)

    def as_role(self, service: str, function: str, role: str) -> Any:
        """A client with a role that one of its functions assumes in the hub."""
        session = self.account.session(self.itself(function), role, ExternalId=self.hub["role"]["external_id"])
        return self.account.client(service, session)


def test_a_cell_writes_nothing_but_its_reports_and_its_lease_to_the_hub(system: System) -> None:
    """Neither an order, nor another cell's lease or report, nor a report of the whole; nor does it delete a row."""
    north = CellAccount(system, NORTH)
    dynamodb = north.in_the_hub("dynamodb")
    calls: list[tuple[Any, str, dict[str, str]]] = [
        (dynamodb.update_item, "Key", {"UpdateExpression": "REMOVE neverWritten"}),
        (dynamodb.put_item, "Item", {}),
        (dynamodb.delete_item, "Key", {}),
    ]
    written = []
    for table, keys in {
        "broadcasts": [{"broadcastId": f"b1#cell#{cell}", "part": "report"} for cell in CELLS]
        + [{"broadcastId": "b1", "part": "summary"}],
        "cells": [
            {"key": f"seen#{NORTH}", "part": "test"},
            {"key": f"seen#{SOUTH}", "part": "lease"},
            {"key": "orders", "part": NORTH},
            {"key": "tenants", "part": "revision"},
        ],
        "placements": [{"key": f"acme#{NORTH}", "part": "session#s"}],
        "tenants": [{"tenantId": "acme"}],
    }.items():
        for key, (call, row, more) in product(keys, calls):
            may = allowed(
                call,
                TableName=f"arn:aws:dynamodb:{north.hub['hub_region']}:{north.hub['hub_account_id']}:table/"
                + system.table(table),
                **{row: {name: {"S": value} for name, value in key.items()}},
                ConditionExpression="attribute_exists(neverWritten)",
                **more,
            )
            if may:
                written.append((call.__name__, table, *key.values()))
    assert written == [
        ("update_item", "broadcasts", f"b1#cell#{NORTH}", "report"),
        ("update_item", "cells", f"seen#{NORTH}", "test"),
    ]


def test_the_roles_between_hub_and_cells_are_assumed_by_their_functions_alone(system: System) -> None:
    """With the cell's external id; not by other functions, other cells, or an account that is in no map."""
    north, south = CellAccount(system, NORTH), CellAccount(system, SOUTH)
    external_id = north.hub["role"]["external_id"]
    assert north.assumes("report", north.role, external_id)
    assert north.assumes("beat", north.role, external_id)
    assert not north.assumes("report", north.role, "wrong")
    assert not north.assumes("swarm", north.role, external_id)
    assert not south.assumes("report", north.role, external_id)
    stranger = GrantsAccount(system, STRANGER)
    root = {"aws_access_key_id": STRANGER, "aws_secret_access_key": system.state.secret}
    assert not stranger.assumes(root, north.role, ExternalId=external_id)
    prefix = north.hub["prefix"]
    hub = GrantsAccount(system)
    for role, its_function in (("hub", "session_api"), ("hub-messages", "forward_message")):
        hubs_role = f"arn:aws:iam::{CELL_ACCOUNTS[NORTH]}:role/{prefix}/{prefix}-{role}"
        for function in ("forward_message", "publish", "session_api"):
            itself = hub.credentials_of(f"arn:aws:iam::{north.hub['hub_account_id']}:role/{prefix}/{prefix}-{function}")
            assert hub.assumes(itself, hubs_role, ExternalId=external_id) is (function == its_function)
        assert not south.assumes("beat", hubs_role, external_id)


def test_a_cell_asks_in_its_own_name_alone_to_forward_messages(system: System) -> None:
    """Through its own queue; it reads where players are, and places none."""
    north, south = CellAccount(system, NORTH), CellAccount(system, SOUTH)
    messages = north.hub["messages"]
    assert not north.assumes("report", messages["role_arn"], north.hub["role"]["external_id"])
    assert not south.assumes("relay_message", messages["role_arn"], north.hub["role"]["external_id"])
    sqs, dynamodb = (north.as_role(service, "relay_message", messages["role_arn"]) for service in ("sqs", "dynamodb"))
    message = {"MessageBody": '{"v":1,"inbox":"nobody#alice"}', "MessageGroupId": "1", "MessageDeduplicationId": "1"}
    for cell in CELLS:
        url = system.deployment.queue_urls[f"forward-{cell}"]
        assert allowed(sqs.send_message, QueueUrl=url, **message) is (cell == NORTH), cell
    table = messages["placements_table"]
    key = {"key": {"S": "acme#00"}, "part": {"S": "player#alice"}}
    assert allowed(dynamodb.batch_get_item, RequestItems={table: {"Keys": [key]}})
    assert not allowed(dynamodb.put_item, TableName=table, Item=key, ConditionExpression="attribute_exists(cell)")
    assert not allowed(dynamodb.scan, TableName=table)


async def test_a_report_of_an_older_version_or_of_an_unknown_cell_changes_nothing(
    cells: CellScene, system: System
) -> None:
    """The condition refuses the one, and nobody reads the other."""
    await cells.guests()
    broadcast_id = BroadcastId(await cells.scene.broadcast({"tenantId": cells.tenant}))
    before = await cells.scene.report(broadcast_id)
    snapshots = DynamoSnapshotStore(system.dynamodb, system.table("broadcasts"), clock=time.time)
    forged = Report.from_wire(before["byCell"][NORTH] | {"delivered": 1_000, "dispatched": 1_000})
    assert not snapshots.put(broadcast_id, NORTH, 1, forged)
    assert snapshots.put(broadcast_id, CellName("east"), 9_999_999_999_999, forged)
    assert await cells.scene.report(broadcast_id) == before


async def test_the_clients_of_a_drained_cell_move_and_miss_nothing(cells: CellScene, system: System) -> None:
    """A page and others get every broadcast, also during the overlap; no new session is placed there meanwhile."""
    deployment, north, sessions = system.deployment, system.deployment.cells[NORTH], cells.sessions[NORTH]
    moved_to: list[CellName] = []

    async def url_again(number: int) -> str:
        url = await cells.scene.api.open_session(sessions[number].tenant, sessions[number].session)
        moved_to.append(cells.names[url])
        return replace(sessions[number], websocket_url=url).url

    crowd = Crowd(url_again)
    before = await crowd.connect([session.url for session in sessions])
    async with running_browser() as browser, visits(browser, cells.scene) as visit:
        page = await visit()
        await page.connect(cells.tenant, await player_on(cells, NORTH))
        await cells.scene.counted(cells.tenant, len(sessions) + 1)
        try:
            await asyncio.to_thread(order_drain, deployment, NORTH)
            draining = Draining(north, [cells.tenant], rate=2, overlap_seconds=OVERLAP_SECONDS)
            command = asyncio.create_task(asyncio.to_thread(draining))
            published: list[str] = []
            while not all(crowd.members[number] is not member for number, member in enumerate(before)):
                published.append(await cells.scene.broadcast({"tenantId": cells.tenant}, f"no. {len(published)}."))
                await cells.scene.report(published[-1])
            assert await command == 0
            assert len(draining.asked) == len(sessions) + 1
            for broadcast_id in published:
                assert await crowd.arrived(broadcast_id, crowd.members, PATIENCE_SECONDS)
            assert NORTH not in moved_to
            for number in range(len(published)):
                await expect(page.log("Broadcasts received").get_by_text(f"no. {number}.")).to_have_count(1)
            await expect(page.status).to_have_text("Connected")
            assert NORTH not in {await place_new_session(cells) for _ in range(10)}
            status = await asyncio.to_thread(system.loudhailer, "status")
            assert "drained" in status.stdout
        finally:
            stopped = await asyncio.to_thread(system.loudhailer, "drain", NORTH, "--stop")
            await crowd.leave(crowd.members.values())
        assert stopped.returncode == 0, stopped.stderr
    await eventually(partial(place_new_session, cells), lambda cell: cell == NORTH)


def test_the_command_drains_a_cell_without_clients_at_once(system: System) -> None:
    """Bad input is refused, and changes nothing."""
    for arguments, problem in ((("east",), "There is no cell east."), (("north", "--rate", "0"), "--rate must be")):
        refused = system.loudhailer("drain", *arguments)
        assert (refused.returncode, problem in refused.stderr) == (1, True), refused.stderr
    drained = system.loudhailer("drain", SOUTH, "--rate", "50")
    assert system.loudhailer("drain", SOUTH, "--stop").returncode == 0
    assert (drained.returncode, "no clients any more" in drained.stderr) == (0, True), drained.stderr


@asynccontextmanager
async def killed(system: System, cell: CellName) -> AsyncIterator[None]:
    """A cell's gateway and workers are killed; after the block its gateway is started again."""
    gateway = ProcessTable(system.directory).find(gateway_of(cell))
    workers = workers_of(system, cell)
    assert gateway is not None
    assert workers, "no function of the cell is at work"
    gateway.kill()
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            worker.kill()
    try:
        status = await asyncio.to_thread(system.loudhailer, "status")
        assert status.returncode == 1
        yield
    finally:
        up = await asyncio.to_thread(system.loudhailer, "up", "--cells", "3")
        assert up.returncode == 0, up.stderr


def workers_of(system: System, cell: CellName) -> list[psutil.Process]:
    """The processes of a cell's functions that know one of its queues."""
    account = f"/{CELL_ACCOUNTS[cell]}/"
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            variables = process.environ()
            is_ours = variables.get("AWS_ENDPOINT_URL") == system.deployment.access.endpoint
            if is_ours and any(account in value for value in variables.values()):
                found.append(process)
    return found


async def faults(system: System, cell: CellName, **faults: float) -> None:
    """Switch these faults of a cell's gateway on, and all others off."""
    url = local_endpoint(system.state.cell_ports[cell])
    async with HttpApi(url, signed_by_root(system.state.secret)) as gateway:
        await gateway.call("POST", "/_gateway/faults", document=faults)


@asynccontextmanager
async def faultless_after(system: System, cell: CellName) -> AsyncIterator[None]:
    """The faults of a cell's gateway are off after the block, also if the test fails in it."""
    try:
        yield
    finally:
        await faults(system, cell)


async def test_a_cell_that_is_killed_in_the_middle_costs_the_others_nothing(cells: CellScene, system: System) -> None:
    """They are delivered at once, the report names what is missing, and its sessions are placed elsewhere.

    A page on it gets there by itself. Once nothing is to be expected of it any more, what is missing has failed.
    """
    guests = await cells.guests()
    others = guests[HUB] + guests[NORTH]
    async with (
        running_browser() as browser,
        visits(browser, cells.scene, *LOST) as visit,
        faultless_after(system, SOUTH),
    ):
        page = await visit()
        await page.connect(cells.tenant, await player_on(cells, SOUTH))
        on_south = len(guests[SOUTH]) + 1
        await cells.scene.counted(cells.tenant, len(others) + on_south)
        await faults(system, SOUTH, latency_ms=60_000.0)
        broadcast_id = await cells.scene.broadcast({"tenantId": cells.tenant}, "in the middle")
        look = partial(report_of, cells, broadcast_id)
        await eventually(look, lambda report: part(report, SOUTH, "inFlight") == on_south)
        async with killed(system, SOUTH):
            assert {(await guest.frame())["id"] for guest in others} == {broadcast_id}
            report = await eventually(look, partial(all_finished, cells=(HUB, NORTH)))
            assert_sums(report)
            assert (report["status"], report["waitingFor"], report["delivered"]) == ("delivering", [SOUTH], len(others))

            lost = cells.sessions[SOUTH][0]
            url = await eventually(
                partial(cells.scene.api.open_session, lost.tenant, lost.session), lambda url: cells.names[url] != SOUTH
            )
            guest = await cells.scene.connect(SceneSession(lost.tenant, lost.session, url))
            await expect(page.status).to_have_text("Connected")
            next_id = await cells.scene.broadcast({"tenantId": cells.tenant}, "after it was lost")
            assert (await guest.frame())["id"] == next_id
            await expect(page.log("Broadcasts received")).to_contain_text("after it was lost")

            cancelled = await asyncio.to_thread(system.loudhailer, "cancel", broadcast_id)
            assert cancelled.returncode == 1
            assert "The broadcast is cancelled, but south does not answer." in cancelled.stderr
            end_long_ago(system, broadcast_id)
            report = await cells.scene.report(broadcast_id)
            assert_sums(report)
            assert (report["silent"], report["waitingFor"]) == ([SOUTH], [])
            assert (part(report, SOUTH, "failed"), part(report, SOUTH, "delivered")) == (on_south, 0)
    await eventually(partial(place_new_session, cells), lambda cell: cell == SOUTH)


async def report_of(cells: CellScene, broadcast_id: str) -> Any:
    """The report of a broadcast as it is now."""
    return await cells.scene.api.call("GET", f"/broadcast/{broadcast_id}")


def all_finished(report: Mapping[str, Any], *, cells: Iterable[CellName]) -> bool:
    """Say if each of these cells has an outcome for every recipient of its own."""
    return all(part(report, cell, "status") == "finished" for cell in cells)


def part(report: Mapping[str, Any], cell: CellName, name: str) -> Any:
    """Return a cell's part of a report."""
    return report["byCell"][cell][name]


async def player_on(cells: CellScene, cell: CellName) -> str:
    """A player whose devices are all on that cell."""
    for _ in range(MOST_SESSIONS):
        player = f"player-{uuid.uuid4().hex}"
        if cells.cell_of(await cells.scene.session(cells.tenant, player)) == cell:
            return player
    pytest.fail(f"of {MOST_SESSIONS} players, none is on {cell}")


def end_long_ago(system: System, broadcast_id: str) -> None:
    """Let a broadcast's lifetime, and the time in which cells may report, be over."""
    system.dynamodb.update_item(
        TableName=system.table("broadcasts"),
        Key={"broadcastId": {"S": broadcast_id}, "part": {"S": "summary"}},
        UpdateExpression="SET endsAt = :then",
        ConditionExpression="attribute_exists(endsAt)",
        ExpressionAttributeValues={":then": {"N": str(int(time.time()) - 3_600)}},
    )


async def place_new_session(cells: CellScene) -> CellName:
    """The cell on which a new session is placed."""
    return cells.cell_of(await cells.scene.session(cells.tenant))


@pytest.mark.nightly
async def test_a_cell_that_is_taken_out_keeps_no_client_and_no_report_waiting(cells: CellScene, system: System) -> None:
    """`up --cells 2` after `up --cells 3`. It is the last test, since the others need the cell."""
    lost = cells.sessions[SOUTH][0]
    fewer = await asyncio.to_thread(system.loudhailer, "up", "--cells", "2")
    assert fewer.returncode == 0, fewer.stderr
    url = await eventually(
        partial(cells.scene.api.open_session, lost.tenant, lost.session), lambda url: cells.names[url] != SOUTH
    )
    guest = await cells.scene.connect(SceneSession(lost.tenant, lost.session, url))
    broadcast_id = await cells.scene.broadcast({"tenantId": cells.tenant}, "with a cell less")
    assert (await guest.frame())["id"] == broadcast_id
    report = await cells.scene.report(broadcast_id)
    assert (set(report["byCell"]), report["waitingFor"], report["silent"]) == ({HUB, NORTH}, [], [])
    status = await asyncio.to_thread(system.loudhailer, "status")
    assert (SOUTH in status.stdout, NORTH in status.stdout) == (False, True)
