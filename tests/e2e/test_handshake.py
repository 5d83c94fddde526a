"""Who gets in, and who is told what instead."""

import time

import pytest

from tests.e2e.scene import Scene
from tests.support.waiting import eventually
from tools.client.http import ApiError


def put_session(scene: Scene, tenant: str, session: str, expires_at: int) -> None:
    """Put a session's row, past the API."""
    row = {"tenantId": {"S": tenant}, "sessionId": {"S": session}, "sessionTTL": {"N": str(expires_at)}}
    scene.system.dynamodb.put_item(TableName=scene.system.table("sessions"), Item=row)


@pytest.mark.parametrize(
    "query",
    [{}, {"tenantId": "bronze"}, {"sessionId": "s"}, {"tenantId": "", "sessionId": ""}],
    ids=["nothing", "no-session", "no-tenant", "empty"],
)
async def test_a_client_without_an_identity_is_unauthorized(scene: Scene, query: dict[str, str]) -> None:
    """Both ids are needed before anybody is asked."""
    assert (await scene.refusal(**query)).status == 401


async def test_an_unknown_tenant_is_forbidden(scene: Scene) -> None:
    """A session of another tenant's does not help."""
    session = await scene.session(scene.tenant())
    assert (await scene.refusal(tenantId="nobody", sessionId=session.session)).status == 403


async def test_a_session_is_its_own_tenants_only(scene: Scene) -> None:
    """The id of a session that another tenant opened is an unknown one."""
    session = await scene.session(scene.tenant())
    assert (await scene.refusal(tenantId=scene.tenant(), sessionId=session.session)).status == 403


async def test_an_unknown_session_is_forbidden(scene: Scene) -> None:
    """A session must have been opened before."""
    assert (await scene.refusal(tenantId=scene.tenant(), sessionId=scene.secret())).status == 403


async def test_an_expired_session_is_forbidden_though_its_row_still_stands(scene: Scene) -> None:
    """TTL deletes hours late: the time decides, not the row."""
    tenant, session = scene.tenant(), scene.secret()
    put_session(scene, tenant, session, int(time.time()) - 1)
    assert (await scene.refusal(tenantId=tenant, sessionId=session)).status == 403


async def test_a_deleted_session_is_forbidden(scene: Scene) -> None:
    """Who ended a session ended it for every later handshake."""
    session = await scene.session(scene.tenant())
    ids = {"tenantId": session.tenant, "sessionId": session.session}
    assert await scene.api.call("DELETE", "/session", query=ids) == {}
    assert (await scene.refusal(**ids)).status == 403


async def test_a_client_may_not_claim_another_player(scene: Scene) -> None:
    """A session is bound to its player, and one without a player has none."""
    tenant = scene.tenant()
    bound, unbound = await scene.session(tenant, "ann"), await scene.session(tenant)
    for session in (bound, unbound):
        refusal = await scene.refusal(tenantId=tenant, sessionId=session.session, playerId="bob")
        assert refusal.status == 403


async def test_a_session_keeps_its_player(scene: Scene) -> None:
    """A second PUT cannot bind it to somebody else."""
    session = await scene.session(scene.tenant(), "ann")
    with pytest.raises(ApiError) as refused:
        await scene.api.open_session(session.tenant, session.session, "bob")
    assert (refused.value.status, refused.value.body["error"]["field"]) == (409, "playerId")


@pytest.mark.parametrize("illegal", ["a#b", "a b", "a:b", "a,b", "ä", "a/b", "x" * 65, "", "a\n"])
@pytest.mark.parametrize("field", ["tenantId", "sessionId"])
async def test_an_illegal_id_is_refused_where_it_enters(scene: Scene, field: str, illegal: str) -> None:
    """Neither a session can be opened with it, nor a socket."""
    ids = {"tenantId": scene.tenant(), "sessionId": "legal", field: illegal}
    with pytest.raises(ApiError) as refused:
        await scene.api.call("PUT", "/session", query=ids)
    assert (refused.value.status, refused.value.body) == (400, "Invalid request")
    assert (await scene.refusal(**ids)).status == (403 if illegal else 401)


async def test_an_illegal_player_is_refused_where_it_enters(scene: Scene) -> None:
    """A player's id has a grammar of its own."""
    with pytest.raises(ApiError) as refused:
        await scene.api.open_session(scene.tenant(), scene.secret(), "ann#bob")
    assert (refused.value.status, refused.value.body) == (400, "Invalid request")


@pytest.mark.parametrize(
    ("limits", "named"),
    [
        ({"tenant_connections": 2}, "tenantConnections"),
        ({"connections_per_session": 2}, "connectionsPerSession"),
        ({"tenant_connections": 2, "connections_per_session": 2}, "tenantConnections"),
    ],
)
async def test_over_a_limit_a_client_is_told_to_wait(scene: Scene, limits: dict[str, int], named: str) -> None:
    """The answer names the limit; the tenant's comes first; as soon as somebody leaves there is room again."""
    session = await scene.session(scene.tenant(**limits))
    guest, _ = await scene.guests(session, 2)
    refusal = await scene.refusal(tenantId=session.tenant, sessionId=session.session)
    assert refusal.status == 429
    assert named in refusal.reason
    await scene.counted(session.tenant, 2)
    guest.leave()
    await scene.counted(session.tenant, 1)
    await scene.connect(session)
    await scene.counted(session.tenant, 2)


async def test_a_session_knows_its_connections(scene: Scene) -> None:
    """Its set holds those that are open, and loses them when they close."""
    session = await scene.session(scene.tenant())
    guests = await scene.guests(session, 3)

    def connections() -> set[str]:
        row = scene.system.dynamodb.get_item(
            TableName=scene.system.table("sessions"),
            Key={"tenantId": {"S": session.tenant}, "sessionId": {"S": session.session}},
            ConsistentRead=True,
        )["Item"]
        return {element.partition("#")[2] for element in row.get("connectionIds", {"SS": []})["SS"]}

    expected = {await guest.connection_id() for guest in guests}
    assert connections() == expected
    expected.remove(await guests[0].connection_id())
    guests[0].leave()
    await eventually(connections, lambda found: found == expected)
