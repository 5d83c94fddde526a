"""Serves `PUT /session`: the shipped use case, in several environments that share stores in memory.

The stores are the twins that pass DynamoDB's contract tests: the local AWS answers too few requests a second for a
crowd that asks at once.
"""

import asyncio
import itertools
import time
from random import SystemRandom
from typing import Any

from aiohttp import web

from functions.sessions.session_api.admission import Admission
from functions.sessions.session_api.placing import CellStores, OneCell
from functions.sessions.session_api.session_api import SessionApi
from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant
from tests.bench.meter import job, tell
from tests.support.fakes.broadcast import MemoryBroadcastStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.line import MemoryLineStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.fakes.snapshots import MemorySnapshotStore
from tests.support.fakes.tenants import MemoryTenantStore
from tools.stack.processes import HOST

_ENVIRONMENTS = 8
_LARGE = 1_000_000


def _environments(url: str, tenants: list[str], per_second: float) -> list[SessionApi]:
    known = MemoryTenantStore(
        *(
            Tenant(
                tenant_id=TenantId(tenant),
                tenant_connections=_LARGE,
                connections_per_session=1,
                tenant_per_minute=_LARGE,
                session_per_minute=_LARGE,
                messages_per_minute=_LARGE,
                session_seconds=3_600,
                tenant_sessions=_LARGE,
            )
            for tenant in tenants
        )
    )
    placing = OneCell(CellStores(sessions=MemorySessionStore(), places=MemoryPlaceStore()), url)
    line, limits = MemoryLineStore(), MemoryLimitStore()
    return [
        SessionApi(
            known,
            placing,
            MemoryBroadcastStore(),
            MemorySnapshotStore(),
            Admission(line, limits, per_second=per_second, reserve=0.03, clock=time.time, random=SystemRandom()),
            list_tenants=False,
            silo_tenants=(),
            needs_token=False,
            tenant_claim="tenantId",
            shortest_session_id=1,
            report_grace_seconds=0,
            clock=time.time,
        )
        for _ in range(_ENVIRONMENTS)
    ]


async def _serve(environments: list[SessionApi]) -> None:
    turns = itertools.cycle(environments)

    async def put(request: web.Request) -> web.Response:
        event: dict[str, Any] = {
            "routeKey": "PUT /session",
            "requestContext": {},
            "queryStringParameters": dict(request.query),
        }
        answer = next(turns)(event)
        return web.Response(status=answer["statusCode"], headers=answer["headers"], text=answer["body"])

    app = web.Application()
    app.router.add_put("/session", put)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    (address,) = runner.addresses
    tell({"port": address[1]})
    await asyncio.Event().wait()


if __name__ == "__main__":
    given = job()
    asyncio.run(_serve(_environments(given["url"], given["tenants"], given["per_second"])))
