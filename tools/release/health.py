"""Check of a deployment: a broadcast of our own, followed to its end, and the logs of new versions."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId, TenantId
from loudhailer.tenants.model import Tenant
from tools.client.crowd import Crowd
from tools.client.http import ApiError, HttpApi
from tools.client.socket import Refusal, socket_url
from tools.console import shortened
from tools.errors import OperatorError
from tools.operations.tenants import keyed
from tools.stack.traffic import Shift

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

    from loudhailer.tenants.port import TenantStore

SYNTHETIC = Tenant(
    tenant_id=TenantId("synthetic"),
    tenant_connections=1_000,
    connections_per_session=10,
    tenant_per_minute=100_000,
    session_per_minute=100_000,
    messages_per_minute=1,
    session_seconds=600,
)
"""The tenant whose clients are the health checks': a broadcast to it reaches nobody else."""

_FRAME_SECONDS = 30.0
_REPORT_SECONDS = 30.0
_TRIES = 20
_LONGEST_LINE = 300
_MOST_ERRORS = 5
_SEVERE = {"ERROR", "CRITICAL"}
_CRASHES = ("[ERROR]", "Traceback (most recent call last)", "Task timed out", "Runtime exited")
"""Lines that Lambda and Python write where the function itself writes nothing any more."""


@dataclass(frozen=True)
class SyntheticBroadcast:
    """A broadcast to a socket of our own, through the whole pipeline; one through each shard that is looked at.

    Attributes:
        shards: how many there are.
        through: those that are looked at.
        account: the account that must deliver what goes through them; None: whichever does.
    """

    api: HttpApi
    tenants: "TenantStore"
    shards: int
    through: Collection[int]
    account: str | None = None
    crowd: Crowd = field(default_factory=Crowd)
    session: str = field(default_factory=lambda: str(uuid.uuid4()))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect the socket for the block; its session is removed after it."""
        if self.tenants.get(SYNTHETIC.tenant_id) is None:
            self.tenants.put(keyed(SYNTHETIC))
        ids = {"tenantId": SYNTHETIC.tenant_id, "sessionId": self.session}
        async with self.api:
            url = socket_url(await self.api.open_session(SYNTHETIC.tenant_id, self.session), **ids)
            try:
                (answer,) = await self.crowd.connect([url])
                if isinstance(answer, Refusal):
                    raise OperatorError(f"The socket of the health check was refused: {answer.status} {answer.reason}.")
                yield
            finally:
                await self.crowd.leave(self.crowd.members.values())
                with suppress(ApiError):  # it ends by itself, and what is wrong is known by then
                    await self.api.call("DELETE", "/session", query=ids)

    async def problems(self) -> list[str]:
        """Send one through each shard, all at once; everything that is not as it must be, in sentences."""
        found = await asyncio.gather(*(self._problems_of(shard) for shard in sorted(self.through)))
        return [problem for problems in found for problem in problems]

    async def _problems_of(self, shard: int) -> list[str]:
        """Problems of a broadcast. If the cell reads an account's shard, too, it may be the quicker one a few times."""
        try:
            for _ in range(_TRIES):
                problems, accounts = await self._sent_through(shard)
                if problems or self.account is None or self.account in accounts:
                    return problems
        except ApiError as error:
            return [f"the synthetic broadcast through shard {shard} was answered {error}"]
        return [f"account {self.account} delivered none of {_TRIES} synthetic broadcasts through shard {shard}"]

    async def _sent_through(self, shard: int) -> tuple[list[str], set[str]]:
        """Send one; what is not as it must be, and the accounts that delivered it."""
        broadcast_id = await self.api.publish(self._audience, {"synthetic": True}, self._id_through(shard))
        arrived = await self.crowd.arrived(broadcast_id, self.crowd.members, _FRAME_SECONDS)
        report = await self.api.finished_report(broadcast_id, _REPORT_SECONDS if arrived else 0)
        what = f"the synthetic broadcast through shard {shard}"
        found = {
            f"{what} did not arrive": not arrived,
            f"the report of {what} stays {report.status}": report.status != "finished",
            f"the report of {what} counts {report.failed} as failed": report.failed > 0,
        }
        return [problem for problem, holds in found.items() if holds], set(report.by_account)

    @property
    def _audience(self) -> dict[str, Any]:
        """The tenant, which takes the way of all broadcasts. Accounts are checked side by side: each its own socket.

        Another's that leaves at that moment would be young and gone, and hold up this one's report.
        """
        own = {} if self.account is None else {"sessionId": self.session}
        return {"tenantId": SYNTHETIC.tenant_id, **own}

    def _id_through(self, shard: int) -> BroadcastId:
        """An id with which the only chunk goes through a shard."""
        while True:
            broadcast_id = BroadcastId(str(uuid.uuid4()))
            if shard_of(broadcast_id, ChunkId("0.0"), self.shards) == shard:
                return broadcast_id


@dataclass(frozen=True)
class ErrorLog:
    """Logs of new versions. Their errors are not Lambda's: of a batch that failed in part, its metric says nothing."""

    client: "CloudWatchLogsClient"

    def problems(self, shifts: Iterable[Shift], since: datetime) -> list[str]:
        """Lines that only a version logs that does not work, a few of them."""
        found: list[str] = []
        for shift in shifts:
            lines = [line for line in self._lines(shift, since) if _is_severe(line)]
            found += [
                f"version {shift.newest} of {shift.function} logs: {shortened(line, _LONGEST_LINE)}"
                for line in lines[: _MOST_ERRORS - len(found)]
            ]
        return found

    def _lines(self, shift: Shift, since: datetime) -> Iterator[str]:
        """A version's streams are called <date>/[<version>]<id>.

        https://docs.aws.amazon.com/lambda/latest/dg/python-context.html says where the name comes from.
        """
        day = since.date()
        while day <= datetime.now(UTC).date():
            prefix = f"{day:%Y/%m/%d}/[{shift.newest}]"
            pages = self.client.get_paginator("filter_log_events").paginate(
                logGroupName=f"/aws/lambda/{shift.function}",
                logStreamNamePrefix=prefix,
                startTime=int(since.timestamp() * 1000),
            )
            for page in pages:
                for event in page["events"]:
                    if event["logStreamName"].startswith(prefix):
                        yield event["message"].rstrip()
            day += timedelta(days=1)


def _is_severe(line: str) -> bool:
    try:
        document: Any = json.loads(line)
    except ValueError:
        return any(crash in line for crash in _CRASHES)
    return isinstance(document, dict) and document.get("level") in _SEVERE
