"""The findings of the synthetic broadcast."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from loudhailer import codec
from loudhailer.broadcast.report import Report
from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId
from loudhailer.tenants.model import Tenant
from tests.support.checkout import ROOT
from tests.support.fakes.tenants import MemoryTenantStore
from tools.client.http import ApiError
from tools.client.socket import Refusal
from tools.release.health import ROUTES, SYNTHETIC, SyntheticBroadcast

HUB, BLUE = "111111111111", "222222222222"
SHARDS = 4
ELSEWHERE = "express is for recipients on the hub's cell; there may be some on others"
UNKNOWN_FIELD = {"field": "priority", "message": "is not a field of a broadcast"}
UNREADABLE = "the recipients could not be read and recorded at once"


@dataclass
class Deployment:
    """A stand-in for the API and the socket: the shard and the turn decide who delivers a broadcast."""

    deliver: Callable[[int, int], str | None]
    sent: Counter[int] = field(default_factory=Counter)
    delivered_by: dict[str, str | None] = field(default_factory=dict)
    audiences: list[set[str]] = field(default_factory=list)
    small_audiences: list[set[str]] = field(default_factory=list)
    members: dict[int, Any] = field(default_factory=lambda: {0: SimpleNamespace(answer=b"")})
    pings_are_answered: bool = True
    knows_priorities: Callable[[], bool] = lambda: True
    refusal: dict[str, str] | None = None
    express: str | None = HUB
    note: str | None = None
    answers: dict[str, bytes] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)

    async def accepted(self, audience: dict[str, Any], _message: Any, **fields: Any) -> dict[str, Any]:
        """See `HttpApi`; each request may reach a release that knows no priorities, or one that refuses them."""
        knows_priorities, priority = self.knows_priorities(), fields.get("priority")
        if priority is not None and (self.refusal or not knows_priorities):
            raise ApiError(400, {"error": self.refusal or UNKNOWN_FIELD})
        broadcast_id = fields.get("broadcastId", "express")
        if knows_priorities and priority != "bulk":
            self.small_audiences.append({*audience})
            self.delivered_by[broadcast_id] = self.express
            took = {"priority": "bulk", "note": self.note} if self.note else {"priority": "express"}
            return {"broadcastId": broadcast_id, **took}
        self.audiences.append({*audience})
        shard = shard_of(broadcast_id, ChunkId("0.0"), SHARDS)
        self.sent[shard] += 1
        self.delivered_by[broadcast_id] = self.deliver(shard, self.sent[shard])
        return {"broadcastId": broadcast_id}

    async def publish(
        self, audience: dict[str, Any], message: Any, broadcast_id: BroadcastId, *, priority: str | None = None
    ) -> str:
        """See `HttpApi`."""
        await self.accepted(audience, message, broadcastId=broadcast_id, priority=priority)
        return broadcast_id

    async def arrived(self, broadcast_id: str, _members: object, _timeout: float) -> bool:
        """See `Crowd`."""
        return self.delivered_by[broadcast_id] is not None

    async def pongs(self, _members: object, _timeout: float) -> bool:
        """See `Crowd`."""
        return self.pings_are_answered

    async def answered(self, member: Any, frame: bytes, answers: Collection[bytes], _timeout: float) -> bool:
        """See `Crowd`."""
        action = codec.decode(frame)["action"]
        self.frames.append(action)
        member.answer = self.answers.get(action, ROUTES[action][1])
        return any(answer in member.answer for answer in answers)

    async def finished_report(self, broadcast_id: str, _timeout: float) -> Report:
        """See `HttpApi`."""
        account = self.delivered_by[broadcast_id]
        return Report.from_wire(
            {
                "status": "finished" if account else "delivering",
                "expected": 1,
                "dispatched": 1,
                "delivered": 1 if account else 0,
                "gone": 0,
                "failed": 0,
                "inFlight": 0 if account else 1,
                "publishedAt": 1_000,
                "finishedAt": 2_000 if account else None,
                "byAccount": {account: 1} if account else {},
                "cancelled": False,
                "expired": False,
            }
        )


def found_by_broadcasts(deployment: Deployment, *through: int, account: str | None = None) -> list[str]:
    """Return what broadcasts through these shards find."""
    stand_in = cast("Any", deployment)
    return asyncio.run(SyntheticBroadcast(stand_in, stand_in, SHARDS, through, account, crowd=stand_in).problems())


def found_by_routes(deployment: Deployment, account: str | None = None) -> dict[str, str]:
    """Return the result of a frame on each route."""
    stand_in = cast("Any", deployment)
    return asyncio.run(SyntheticBroadcast(stand_in, stand_in, SHARDS, (), account, crowd=stand_in).problems_of_routes())


def test_a_broadcast_passes_each_checked_shard() -> None:
    """One each, and through no other."""
    deployment = Deployment(lambda _shard, _turn: HUB)
    assert found_by_broadcasts(deployment, 1, 3) == []
    assert deployment.sent == {1: 1, 3: 1}


def test_a_release_that_knows_no_priorities_is_asked_without() -> None:
    """While traffic is shifted, either release may answer."""
    deployment = Deployment(lambda _shard, _turn: HUB, knows_priorities=lambda: False)
    assert found_by_broadcasts(deployment, 1, 3) == []
    assert deployment.sent == {1: 1, 3: 1}


def test_a_shard_is_checked_while_requests_reach_either_release() -> None:
    """A small broadcast without a priority takes the express lanes of the newer release: no shard is checked by it."""
    mixed = iter([False, True, False, True])  # the older one refuses `bulk`, the newer one gets the next request
    deployment = Deployment(lambda _shard, _turn: HUB, knows_priorities=lambda: next(mixed, True))
    stand_in = cast("Any", deployment)
    check = SyntheticBroadcast(stand_in, stand_in, SHARDS, (1,), crowd=stand_in)
    assert shard_of(BroadcastId(asyncio.run(check._published(1))), ChunkId("0.0"), SHARDS) == 1
    assert deployment.sent == {1: 1}


@pytest.mark.parametrize(
    "refusal",
    [{"field": "priority", "message": "must be express or bulk"}, {"field": "audience", "message": "is missing"}],
)
def test_a_refusal_by_a_release_that_knows_priorities_is_a_problem(refusal: dict[str, str]) -> None:
    """The express lanes and each shard have it: only a former release refuses the field as unknown."""
    problems = found_by_broadcasts(Deployment(lambda _shard, _turn: HUB, refusal=refusal), 1)
    assert [re.sub(":.*", "", problem) for problem in problems] == [
        f"the synthetic broadcast through {way} was answered HTTP 400" for way in ("shard 1", "the express lanes")
    ]


def test_the_express_lanes_are_the_hubs_to_answer_for() -> None:
    """A subscriber has no part in them."""
    deployment = Deployment(lambda _shard, _turn: BLUE, express=None)
    assert found_by_broadcasts(deployment, 1, account=BLUE) == []
    assert found_by_broadcasts(deployment, 1) == [
        "the synthetic broadcast through the express lanes did not arrive",
        "the report of the synthetic broadcast through the express lanes stays delivering",
    ]


@pytest.mark.parametrize(
    ("note", "problems"),
    [
        ("express is turned off", []),
        (ELSEWHERE, [f"a synthetic broadcast did not take the express lanes: {ELSEWHERE}"]),
        (
            UNREADABLE,
            [f"a synthetic broadcast did not take the express lanes: {UNREADABLE}"],
        ),
    ],
)
def test_a_failing_short_path_is_a_problem_unlike_a_disabled_one(note: str, problems: list[str]) -> None:
    """Otherwise a broken short path would be found well, since all broadcasts can take the long way."""
    deployment = Deployment(lambda _shard, _turn: HUB, note=note)
    assert found_by_broadcasts(deployment, 1) == problems


def test_unchecked_express_lanes_are_named_where_the_socket_may_be_on_a_further_cell() -> None:
    """Otherwise lanes that do not work would be found well without a word."""
    stand_in, sentences = cast("Any", Deployment(lambda _shard, _turn: HUB, note=ELSEWHERE)), list[str]()
    check = SyntheticBroadcast(stand_in, stand_in, SHARDS, (1,), has_cells=True, say=sentences.append, crowd=stand_in)
    for _ in range(2):
        assert asyncio.run(check.problems()) == []
    assert sentences == ["The express lanes are not checked: the synthetic tenant may be on further cells."]


def test_express_lanes_that_are_turned_off_are_not_checked() -> None:
    """A version from before has the traffic until the shift is over, and may not read recipients any more."""
    deployment = Deployment(lambda _shard, _turn: HUB, note=UNREADABLE)
    stand_in = cast("Any", deployment)
    check = SyntheticBroadcast(stand_in, stand_in, SHARDS, (1,), has_express=False, crowd=stand_in)
    assert asyncio.run(check.problems()) == []
    assert "express" not in deployment.delivered_by


def test_a_small_broadcast_is_for_the_own_session_alone() -> None:
    """A check at the same time has a socket of the same tenant, which would make the broadcast larger."""
    deployment = Deployment(lambda _shard, _turn: HUB)
    assert found_by_broadcasts(deployment) == []
    assert deployment.small_audiences == [{"tenantId", "sessionId"}]


def test_accounts_are_checked_side_by_side() -> None:
    """Each by a broadcast to its own socket; the hub by one to the tenant, as all broadcasts go."""
    deployment = Deployment(lambda _shard, _turn: BLUE)
    assert found_by_broadcasts(deployment, 1) == found_by_broadcasts(deployment, 2, account=BLUE) == []
    assert deployment.audiences == [{"tenantId"}, {"tenantId", "sessionId"}]


def test_a_shard_that_delivers_nothing_is_named() -> None:
    """The others are well, and that one is not tried again."""
    deployment = Deployment(lambda shard, _turn: None if shard == 3 else BLUE)
    assert found_by_broadcasts(deployment, 2, 3, account=BLUE) == [
        "the synthetic broadcast through shard 3 did not arrive",
        "the report of the synthetic broadcast through shard 3 stays delivering",
    ]
    assert deployment.sent == {2: 1, 3: 1}


def test_deliveries_of_another_account_prove_nothing_about_this_one() -> None:
    """The cell may read the shard, too: the account must have delivered one of several."""
    shared = Deployment(lambda _shard, turn: BLUE if turn == 3 else HUB)
    assert found_by_broadcasts(shared, 2, account=BLUE) == []
    assert shared.sent == {2: 3}
    assert found_by_broadcasts(Deployment(lambda _shard, _turn: HUB), 2, account=BLUE) == [
        f"account {BLUE} delivered none of 20 synthetic broadcasts through shard 2"
    ]


def test_a_ping_without_a_pong_is_a_problem() -> None:
    """No function answers pings, so nothing else would tell."""
    deployment = Deployment(lambda _shard, _turn: HUB, pings_are_answered=False)
    assert found_by_routes(deployment) == {"ping": "a ping was not answered with a pong"}
    assert found_by_broadcasts(deployment, 0) == []


def test_each_route_of_the_websocket_api_must_answer() -> None:
    """Before, `ping` alone was tried, and a function that could not start behind another route was not noticed."""
    cell = (ROOT / "terraform/modules/cell/main.tf").read_text()
    queues = (ROOT / "terraform/modules/messaging/outputs.tf").read_text()
    routes = {*re.findall(r"^    (\w+) += \{ alias = ", cell, re.MULTILINE)}
    routes |= {*re.findall(r"^    (\w+) = \{(?: queue_name|$)", queues, re.MULTILINE)} | {"ping"}
    assert {"joinroom", "SiloSQS", "PooledSQS"} < routes
    failed = dict.fromkeys(ROUTES, b'{"message": "Internal server error"}')
    deployment = Deployment(lambda _shard, _turn: HUB, answers=failed)
    assert found_by_routes(deployment) == {
        action: f'a frame with the action {action} was answered \'{{"message": "Internal server error"}}\''
        for action in ROUTES
    }
    assert {*deployment.frames, "ping"} - {"synthetic"} == routes
    assert found_by_routes(Deployment(lambda _shard, _turn: HUB)) == {}


@pytest.mark.parametrize("known", [None, replace(SYNTHETIC, messages_per_minute=1, session_key="k" * 32)])
def test_the_tenant_of_the_checks_has_its_limits_and_keeps_its_key(known: Tenant | None) -> None:
    """An earlier release gave it one message a minute, so that what is behind the limit was never tried."""
    tenants = MemoryTenantStore()
    if known is not None:
        tenants.put(known)
    stand_in = cast("Any", None)
    for _ in range(2):
        SyntheticBroadcast(stand_in, tenants, SHARDS, ()).require_tenant()
    (tenant,) = tenants.all_tenants()
    assert replace(tenant, session_key=SYNTHETIC.session_key) == SYNTHETIC
    assert tenant.session_key == (known.session_key if known else tenant.session_key)


def test_the_tenant_of_the_checks_is_put_only_if_it_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change raises the revision of the tenants, at which every further cell reads all of them."""
    tenants = MemoryTenantStore()
    tenants.put(replace(SYNTHETIC, session_key="k" * 32))
    (known,) = tenants.all_tenants()
    monkeypatch.setattr(tenants, "get", lambda _: replace(known, revision=7))
    monkeypatch.setattr(tenants, "put", lambda _: pytest.fail("the tenant was put again"))
    SyntheticBroadcast(cast("Any", None), tenants, SHARDS, ()).require_tenant()


def test_a_throttled_answer_counts_as_an_answer() -> None:
    """Checks of several releases may run in the same minute."""
    over = {"joinroom": b'{"message":"Too Many Requests","connectionId":"a"}'}
    assert found_by_routes(Deployment(lambda _shard, _turn: HUB, answers=over)) == {}


def test_a_subscriber_is_not_asked_for_routes() -> None:
    """They are the hub's: a rollback of the subscriber would change nothing."""
    deployment = Deployment(lambda _shard, _turn: HUB, pings_are_answered=False)
    assert found_by_routes(deployment, "222222222222") == {}
    assert deployment.frames == []


def test_a_cell_answers_for_its_own_routes_and_must_deliver_itself() -> None:
    """Its sentences name the cell: how many shards it has, the hub does not know."""
    silent = Deployment(lambda _shard, _turn: HUB, pings_are_answered=False)
    stand_in = cast("Any", silent)
    check = SyntheticBroadcast(stand_in, stand_in, 1, (0,), BLUE, cell="north", crowd=stand_in)
    assert asyncio.run(check.problems()) == [
        f"account {BLUE} delivered none of 20 synthetic broadcasts through the cell north"
    ]
    assert "ping" in asyncio.run(check.problems_of_routes())


@pytest.mark.parametrize(("cell", "has_cells", "waits"), [("north", False, 2), (None, True, 2), (None, False, 0)])
def test_a_cell_may_copy_the_tenant_of_a_check_late(cell: str | None, waits: int, *, has_cells: bool) -> None:
    """It refuses the tenant's clients until then; a hub that gives its own cell no sessions places them there, too."""
    refusal, member = Refusal(403, "Forbidden"), object()
    answers = [refusal, refusal, member]
    waited: list[float] = []

    async def connect(_urls: object) -> list[Any]:
        return [answers.pop(0)]

    async def pause(seconds: float) -> None:
        waited.append(seconds)

    stand_in = cast("Any", SimpleNamespace(connect=connect))
    check = SyntheticBroadcast(
        stand_in, stand_in, 1, (0,), BLUE, cell=cell, has_cells=has_cells, crowd=stand_in, pause=pause
    )
    found: object = asyncio.run(check._connection("ws://north.example"))
    assert found is (member if waits else refusal)
    assert len(waited) == waits


def test_an_api_that_refuses_is_a_problem() -> None:
    """In a sentence, with what it answered."""

    def refuse(_shard: int, _turn: int) -> str:
        raise ApiError(403, {"message": "Forbidden"})

    assert found_by_broadcasts(Deployment(refuse), 0) == [
        "the synthetic broadcast through shard 0 was answered HTTP 403: {'message': 'Forbidden'}"
    ]
