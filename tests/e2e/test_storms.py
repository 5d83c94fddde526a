"""More clients than the account lets in get their turns one after the other."""

import time
from unittest.mock import ANY

import pytest

from loudhailer.ids import HUB
from tests.e2e.scene import Scene, SceneSession
from tests.e2e.system import System
from tools.client.http import ApiError

WAIT_SECONDS = 4


def crowd(system: System, seconds: float) -> None:
    """Let a crowd have all slots of the next seconds."""
    end = {"N": str(int((time.time() + seconds) * 1_000_000))}
    row = {"key": {"S": f":line:{HUB}"}, "slotEnd": end, "appointmentEnd": end}
    system.dynamodb.put_item(TableName=system.table("limits"), Item=row)


async def test_a_client_behind_a_crowd_connects_at_its_turn(scene: Scene) -> None:
    """It is answered 429 with the time of its turn; a client that is connected renews its session meanwhile."""
    tenant, secret = scene.tenant(), scene.secret()
    query = {"tenantId": tenant, "sessionId": secret}
    connected = await scene.session(tenant)
    crowd(scene.system, WAIT_SECONDS)
    with pytest.raises(ApiError) as delayed:
        await scene.api.call("PUT", "/session", query=query)
    assert delayed.value.status == 429
    assert delayed.value.body == {"message": "Too Many Requests", "reason": "connects", "retryAfterMs": ANY}
    assert 0 < (delayed.value.retry_after or 0) <= WAIT_SECONDS
    renewal = {"tenantId": tenant, "sessionId": connected.session, "renew": "true"}
    assert "webSocketUrl" in await scene.api.call("PUT", "/session", query=renewal)
    url = await scene.api.open_session(tenant, secret)
    guest = await scene.connect(SceneSession(tenant, secret, url))
    assert await guest.connection_id()
