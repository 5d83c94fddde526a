"""Whether what was just deployed works: a broadcast of our own, followed to its end, and what new versions log."""

import json
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from loudhailer.ids import TenantId
from loudhailer.tenancy.model import Tenant
from tools.client.crowd import Crowd
from tools.client.http import ApiError, HttpApi
from tools.client.socket import Refusal, socket_url
from tools.console import shortened
from tools.errors import OperatorError
from tools.release.traffic import Shift

if TYPE_CHECKING:
    from mypy_boto3_logs.client import CloudWatchLogsClient

    from loudhailer.tenancy.port import TenantStore

SYNTHETIC = Tenant(
    tenant_id=TenantId("synthetic"),
    tenant_connections=20_000,
    connections_per_session=20_000,
    tenant_per_minute=100_000,
    session_per_minute=100_000,
    messages_per_minute=1,
    session_seconds=600,
)
"""The tenant whose clients are the health checks': a broadcast to it reaches nobody else."""

_HANDSHAKES = 40
_FRAME_SECONDS = 30.0
_REPORT_SECONDS = 30.0
_LONGEST_LINE = 300
_MOST_ERRORS = 5
_SEVERE = {"ERROR", "CRITICAL"}
_CRASHES = ("[ERROR]", "Traceback (most recent call last)", "Task timed out", "Runtime exited")
"""What Lambda and Python write where the function itself writes nothing any more."""


@dataclass(frozen=True)
class SyntheticBroadcast:
    """A broadcast to sockets of our own, through the whole pipeline.

    Attributes:
        sockets: how many; with more than a chunk has room for, more than one shard takes part.
        account: an account that must have delivered some of it; None: whichever did.
    """

    api: HttpApi
    tenants: "TenantStore"
    sockets: int = 1
    account: str | None = None
    crowd: Crowd = field(default_factory=Crowd)

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect the sockets for the block; their session is removed after it."""
        if self.tenants.get(SYNTHETIC.tenant_id) is None:
            self.tenants.put(SYNTHETIC)
        session = str(uuid.uuid4())
        ids = {"tenantId": SYNTHETIC.tenant_id, "sessionId": session}
        async with self.api:
            url = socket_url(await self.api.open_session(SYNTHETIC.tenant_id, session), **ids)
            try:
                answers = await self.crowd.connect([url] * self.sockets, _HANDSHAKES)
                if refusals := [answer for answer in answers if isinstance(answer, Refusal)]:
                    first = refusals[0]
                    raise OperatorError(
                        f"{len(refusals)} of {self.sockets} sockets of the health check were refused: "
                        f"{first.status} {first.reason}."
                    )
                yield
            finally:
                await self.crowd.leave(self.crowd.members.values())
                with suppress(ApiError):  # it ends by itself, and what is wrong is known by then
                    await self.api.call("DELETE", "/session", query=ids)

    async def problems(self) -> list[str]:
        """Send one; everything that is not as it must be, in sentences."""
        everyone = range(self.sockets)
        try:
            broadcast_id = await self.api.publish({"tenantId": SYNTHETIC.tenant_id}, {"synthetic": True})
            arrived = await self.crowd.arrived(broadcast_id, everyone, _FRAME_SECONDS)
            report = await self.api.finished_report(broadcast_id, _REPORT_SECONDS if arrived else 0)
            told = await self.api.call("GET", f"/broadcast/{broadcast_id}")
        except ApiError as error:
            return [f"the synthetic broadcast was answered {error}"]
        missing = len(self.crowd.reception(broadcast_id).missing(everyone))
        by_account: dict[str, int] = told.get("byAccount", {})
        found = {
            f"{missing} of {self.sockets} sockets got no frame of the synthetic broadcast": missing > 0,
            f"the synthetic broadcast's report stays {report.status}": report.status != "finished",
            f"the synthetic broadcast's report counts {report.failed} as failed": report.failed > 0,
            f"account {self.account} delivered none of the synthetic broadcast": (
                self.account is not None and not by_account.get(self.account)
            ),
        }
        return [problem for problem, holds in found.items() if holds]


@dataclass(frozen=True)
class ErrorLog:
    """What new versions log. Their errors are not Lambda's: of a batch that failed in part, its metric says nothing."""

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
