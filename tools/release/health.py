"""The health check of a deployment: a broadcast of our own, followed to its end."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId
from loudhailer.tenants.model import Tenant
from tools.client.crowd import THROTTLED, Crowd, Member
from tools.client.http import ApiError, HttpApi
from tools.client.socket import Refusal, socket_url
from tools.errors import OperatorError
from tools.operations.tenants import SYNTHETIC_ID, keyed

if TYPE_CHECKING:
    from loudhailer.tenants.port import TenantStore

SYNTHETIC = Tenant(
    tenant_id=SYNTHETIC_ID,
    tenant_connections=1_000,
    connections_per_session=10,
    tenant_per_minute=100_000,
    session_per_minute=100_000,
    messages_per_minute=60,
    session_seconds=600,
)
"""The tenant whose clients are the health checks': a broadcast to it reaches nobody else."""

ROUTES: dict[str, tuple[dict[str, Any], bytes]] = {
    "joinroom": ({"roomKey": "synthetic", "nickName": "synthetic"}, b'"action":"joinroom"'),
    "sendmessage": ({"roomKey": "synthetic", "content": "synthetic"}, b'"action":"sendmessage"'),
    "subscribe": ({"channels": ["synthetic"]}, b'"code":"NOT_'),
    "unsubscribe": ({"channels": ["synthetic"]}, b'"code":"NOT_'),
    "publish": ({"channel": "synthetic", "data": "synthetic"}, b'"code":"NOT_'),
    "PooledSQS": ({"message": "synthetic"}, b'"srcConnectionId"'),
    "SiloSQS": ({"message": "synthetic"}, b"NOT_QUEUED"),
    "synthetic": ({}, b"UNKNOWN_ACTION"),
}
"""A frame for each route that has a function or a queue behind it, in their order, and a part of its answer.

The last one takes the route `$default`. The tenant has no silo, and its sessions have no grants.
"""

_MESSAGE = {"synthetic": True}
_FRAME_SECONDS = 30.0
_REPORT_SECONDS = 30.0
_TRIES = 20
_COPY_SECONDS = 90

_TURNED_OFF = "express is turned off"
_ON_OTHER_CELLS = "express is for recipients on the hub's cell"
"""Notes of `publish` to a broadcast that takes no express lane, although nothing is wrong."""


@dataclass(frozen=True)
class SyntheticBroadcast:
    """A broadcast to a socket of our own, through the whole pipeline; one through each shard that is looked at.

    Attributes:
        shards: how many there are.
        through: the shards that are checked.
        account: the account that must deliver what goes through them; None: whichever does.
        cell: the further cell whose account it is, which has routes of its own; None: the account has none.
        tenant: the tenant whose clients are the check's.
        has_express: small broadcasts are for the express lanes; versions from before a change of that are not asked.
        has_cells: the hub has further cells: the socket may be on one of them, which no express lane reaches.
        say: gets a sentence about what could not be checked.
    """

    api: HttpApi
    tenants: "TenantStore"
    shards: int
    through: Collection[int]
    account: str | None = None
    cell: str | None = None
    tenant: Tenant = SYNTHETIC
    has_express: bool = True
    has_cells: bool = False
    say: Callable[[str], None] = print
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep
    crowd: Crowd = field(default_factory=Crowd)
    session: str = field(default_factory=lambda: str(uuid.uuid4()))
    unchecked: list[str] = field(default_factory=list)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect the socket for the block; its session is removed after it."""
        self.require_tenant()
        ids = {"tenantId": self.tenant.tenant_id, "sessionId": self.session}
        async with self.api:
            url = socket_url(await self.api.open_session(self.tenant.tenant_id, self.session), **ids)
            try:
                answer = await self._connection(url)
                if isinstance(answer, Refusal):
                    raise OperatorError(f"The socket of the health check was refused: {answer.status} {answer.reason}.")
                yield
            finally:
                await self.crowd.leave(self.crowd.members.values())
                with suppress(ApiError):  # it ends by itself, and the problem is known by then
                    await self.api.call("DELETE", "/session", query=ids)

    async def _connection(self, url: str) -> Member | Refusal:
        """Connect; a further cell refuses a new tenant's clients until it has copied the tenant, within a minute."""
        (answer,) = await self.crowd.connect([url])
        may_be_elsewhere = self.cell is not None or self.has_cells
        for _ in range(_COPY_SECONDS if may_be_elsewhere else 0):
            if not isinstance(answer, Refusal) or answer.status != HTTPStatus.FORBIDDEN:
                break
            await self.pause(1.0)
            (answer,) = await self.crowd.connect([url])
        return answer

    def require_tenant(self) -> None:
        """Put the tenant of the health checks, unless it is there with its limits; it keeps its key."""
        known = self.tenants.get(self.tenant.tenant_id)
        wanted = keyed(
            self.tenant
            if known is None
            else replace(self.tenant, session_key=known.session_key, revision=known.revision)
        )
        if known != wanted:
            self.tenants.put(wanted)

    async def problems(self) -> list[str]:
        """Send one through each shard, all at once; everything that is not as it must be, in sentences.

        One goes through the express lanes, which are the hub's, to this socket alone: others may be checked just now.
        """
        shards: list[int | None] = [*sorted(self.through)]
        if self.has_express and self.account is None:
            shards.append(None)
        found = await asyncio.gather(*map(self._problems_of, shards))
        return [problem for problems in found for problem in problems]

    async def problems_of_routes(self) -> dict[str, str]:
        """Send a frame on each route; return the routes that do not answer, each with a sentence.

        "Too Many Requests" counts as an answer: several checks may run in the same minute. A subscriber has no routes.
        """
        if self.account is not None and self.cell is None:
            return {}
        (member,) = self.crowd.members.values()
        problems: dict[str, str] = {}
        if not await self.crowd.pongs([member], _FRAME_SECONDS):
            problems["ping"] = "a ping was not answered with a pong"
        for action, (fields, answer) in ROUTES.items():
            frame = codec.encode({"action": action, **fields})
            if not await self.crowd.answered(member, frame, (answer, THROTTLED), _FRAME_SECONDS):
                problems[action] = f"a frame with the action {action} was answered {member.answer.decode()!r}"
        return problems

    async def _problems_of(self, shard: int | None) -> list[str]:
        """Problems of a broadcast. If the cell reads an account's shard, too, it may be the quicker one a few times."""
        try:
            if shard is None:
                return await self._problems_of_express()
            for _ in range(_TRIES):
                problems, accounts = await self._sent_through(shard)
                if problems or self.account is None or self.account in accounts:
                    return problems
        except ApiError as error:
            return [f"the synthetic broadcast through {self._way(shard)} was answered {error}"]
        return [f"account {self.account} delivered none of {_TRIES} synthetic broadcasts through {self._way(shard)}"]

    async def _problems_of_express(self) -> list[str]:
        """Problems of a small broadcast; nothing is sent where there are no express lanes, or by a former release."""
        try:
            audience = {"tenantId": self.tenant.tenant_id, "sessionId": self.session}
            accepted = await self.api.accepted(audience, _MESSAGE, priority="express")
        except ApiError as error:
            if not _knows_no_priorities(error):
                raise
            return []
        if accepted["priority"] == "bulk":
            note = str(accepted["note"])
            if self.has_cells and note.startswith(_ON_OTHER_CELLS):
                self._leave_unchecked(
                    "The express lanes are not checked: the synthetic tenant may be on further cells."
                )
            elif note != _TURNED_OFF:
                return [f"a synthetic broadcast did not take the express lanes: {note}"]
            return []
        problems, _ = await self._followed(str(accepted["broadcastId"]), self._way(None))
        return problems

    def _leave_unchecked(self, sentence: str) -> None:
        """Print once which checks are omitted, however often the check is repeated."""
        if sentence not in self.unchecked:
            self.unchecked.append(sentence)
            self.say(sentence)

    async def _sent_through(self, shard: int) -> tuple[list[str], set[str]]:
        """Send one; return its problems, and the accounts that delivered it."""
        return await self._followed(await self._published(shard), self._way(shard))

    def _way(self, shard: int | None) -> str:
        if self.cell is not None:
            return f"the cell {self.cell}"
        return "the express lanes" if shard is None else f"shard {shard}"

    async def _followed(self, broadcast_id: str, way: str) -> tuple[list[str], set[str]]:
        """Follow one to its end; return its problems, and the accounts that delivered it."""
        arrived = await self.crowd.arrived(broadcast_id, self.crowd.members, _FRAME_SECONDS)
        report = await self.api.finished_report(broadcast_id, _REPORT_SECONDS if arrived else 0)
        what = f"the synthetic broadcast through {way}"
        found = {
            f"{what} did not arrive": not arrived,
            f"the report of {what} stays {report.status}": report.status != "finished",
            f"the report of {what} counts {report.failed} as failed": report.failed > 0,
        }
        return [problem for problem, holds in found.items() if holds], set(report.by_account)

    async def _published(self, shard: int) -> str:
        """Publish one through a shard; its id.

        While traffic is shifted, a release that knows no priorities may answer. Its broadcasts need none. But the next
        request may reach the newer release, which sends a small broadcast through the express lanes: then once more.
        """
        for _ in range(_TRIES):
            broadcast_id = self._id_through(shard)
            try:
                return await self.api.publish(self._audience, _MESSAGE, broadcast_id, priority="bulk")
            except ApiError as error:
                if not _knows_no_priorities(error):
                    raise
                refused = error
            accepted = await self.api.accepted(self._audience, _MESSAGE, broadcastId=broadcast_id)
            if accepted.get("priority") != "express":
                return broadcast_id
        raise refused

    @property
    def _audience(self) -> dict[str, Any]:
        """The tenant, which takes the way of all broadcasts. Accounts are checked side by side: each its own socket.

        Another's that leaves at that moment would be young and gone, and hold up this one's report.
        """
        own = {} if self.account is None else {"sessionId": self.session}
        return {"tenantId": self.tenant.tenant_id, **own}

    def _id_through(self, shard: int) -> BroadcastId:
        """An id with which the only chunk goes through a shard."""
        while True:
            broadcast_id = BroadcastId(str(uuid.uuid4()))
            if shard_of(broadcast_id, ChunkId("0.0"), self.shards) == shard:
                return broadcast_id


def _knows_no_priorities(error: ApiError) -> bool:
    """Tell whether a release before version 0.3 has answered: it refuses the field, and not its value."""
    match error.body:
        case {"error": {"field": "priority", "message": str(message)}}:
            return error.status == HTTPStatus.BAD_REQUEST and message.startswith("is not a field")
    return False
