"""Counts and totals are the truth, whatever becomes of the sockets."""

import json
import time

import pytest

from loudhailer.aws.rows import Item
from loudhailer.ids import TenantId
from tests.e2e.scene import Scene
from tests.support.waiting import eventually

MINUTE = 60
TWO_HOURS = 2 * 3600


def count_again(scene: Scene, tenant: TenantId, event: str, images: dict[str, Item]) -> None:
    """Hand `accounting` the last record once more that it has counted of a tenant's only partition."""
    ((partition,), (row,)) = scene.system.deployment.partitions.of(tenant), images.values()
    keys = {name: row[name] for name in ("partition", "connectionId")}
    change = {"Keys": keys, "SequenceNumber": partition.checkpoint, "StreamViewType": "NEW_AND_OLD_IMAGES", **images}
    record = {"eventID": "again", "eventName": event, "eventSource": "aws:dynamodb", "dynamodb": change}
    answer = scene.system.functions.invoke(
        FunctionName=scene.system.deployment.functions["accounting"],
        Payload=json.dumps({"Records": [record]}).encode(),
    )
    assert json.load(answer["Payload"]) == {"batchItemFailures": []}


@pytest.mark.image_smoke
async def test_counts_follow_connections_through_every_kind_of_end(scene: Scene) -> None:
    """Each row names its partition; rows, partitions and the tenant's total agree with the sockets that are open."""
    tenant = scene.tenant()
    sessions = [await scene.session(tenant) for _ in range(3)]
    guests = [guest for session in sessions for guest in await scene.guests(session, 4)]
    rows = {row["connectionId"]["S"]: row["partition"]["S"] for row in scene.system.connections_of(tenant)}
    assert rows == dict.fromkeys([await guest.connection_id() for guest in guests], f"{tenant}#00000")
    assert (await scene.counted(tenant, 12)).partitions == 1
    for guest in guests[:4]:
        guest.leave()
    for guest in guests[4:8]:
        await guest.reset()
    await scene.counted(tenant, 4)
    guests += await scene.guests(sessions[0], 5)
    await scene.counted(tenant, 9)
    for guest in guests[8:]:
        guest.leave()
    await scene.counted(tenant, 0)


async def test_tenants_are_counted_apart(scene: Scene) -> None:
    """Connections of one tenant are not seen in the other's counts."""
    red, blue = scene.tenant(), scene.tenant()
    reds, blues = await scene.guests(await scene.session(red), 3), await scene.guests(await scene.session(blue), 2)
    await scene.counted(red, 3)
    await scene.counted(blue, 2)
    reds[0].leave()
    await blues[0].reset()
    await scene.counted(red, 2)
    await scene.counted(blue, 1)


async def test_a_disconnect_without_context_leaves_its_row_to_the_next_broadcast(scene: Scene) -> None:
    """AWS does not promise the authorizer's context there: without it nobody knows the row's key."""
    tenant = scene.tenant()
    guest = await scene.guest(tenant)
    await scene.counted(tenant, 1)
    await scene.faults(drop_authorizer_context=True)
    delivered = (await scene.gateway("stats"))["disconnects_delivered"]
    guest.leave()
    await eventually(lambda: scene.gateway("stats"), lambda stats: stats["disconnects_delivered"] > delivered)
    (row,) = scene.system.connections_of(tenant)
    scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)
    report = await scene.report(await scene.broadcast({"tenantId": tenant}))
    assert (report["dispatched"], report["gone"]) == (1, 1)
    await scene.counted(tenant, 0)


async def test_a_lost_disconnect_is_healed_by_the_next_broadcast(scene: Scene) -> None:
    """The gateway answers 410 for sockets that are gone: their rows are deleted, and the counts follow."""
    tenant = scene.tenant()
    stays, *leave = await scene.guests(await scene.session(tenant), 3)
    open_connection = await stays.connection_id()
    await scene.counted(tenant, 3)
    await scene.lose(*leave)
    for row in scene.system.connections_of(tenant):
        scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)
    report = await scene.report(await scene.broadcast({"tenantId": tenant}))
    assert (report["dispatched"], report["delivered"], report["gone"], report["failed"]) == (3, 1, 2, 0)
    await scene.counted(tenant, 1)
    assert [row["connectionId"]["S"] for row in scene.system.connections_of(tenant)] == [open_connection]


async def test_tabs_with_lost_disconnects_do_not_block_their_session(scene: Scene) -> None:
    """Their full session asks API Gateway before it refuses: the rows are deleted, and the next two get in."""
    tenant = scene.tenant(connections_per_session=2)
    session = await scene.session(tenant)
    await scene.lose(*await scene.guests(session, 2))
    assert (await scene.refusal(tenantId=tenant, sessionId=session.session)).status == 429
    for row in scene.system.connections_of(tenant):
        scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)
    await scene.guests(session, 2)
    await scene.counted(tenant, 2)


async def test_a_lost_disconnect_is_healed_by_the_next_message_to_the_pool(scene: Scene) -> None:
    """The session's other connections are answered 410, and their rows go."""
    tenant = scene.tenant()
    session = await scene.session(tenant)
    stays, leaves = await scene.guests(session, 2)
    await scene.lose(leaves)
    for row in scene.system.connections_of(tenant):
        scene.system.change_connection(row, connectedAt=int(time.time()) - MINUTE)
    stays.send_json({"action": "PooledSQS", "message": "anybody here?"})
    await scene.counted(tenant, 1)


async def test_a_lost_disconnect_is_healed_by_time(scene: Scene) -> None:
    """TTL deletes a row by its time, in seconds; that deletion is counted like any other."""
    tenant = scene.tenant()
    stays, leaves = await scene.guests(await scene.session(tenant), 2)
    await scene.counted(tenant, 2)
    (lost,) = await scene.lose(leaves)
    (row,) = [row for row in scene.system.connections_of(tenant) if row["connectionId"]["S"] == lost]
    assert TWO_HOURS < int(row["expiresAt"]["N"]) - time.time() < TWO_HOURS + 10 * MINUTE
    ttl = scene.system.dynamodb.describe_time_to_live(TableName=scene.system.table("connections"))
    assert ttl["TimeToLiveDescription"] == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expiresAt"}
    scene.system.change_connection(row, expiresAt=int(time.time()) - MINUTE)
    await scene.counted(tenant, 1)
    await scene.broadcast({"tenantId": tenant}, "still here?")
    assert (await stays.frame())["data"] == "still here?"


async def test_a_change_counted_twice_has_no_further_effect(scene: Scene) -> None:
    """A record of the stream comes a second time: the count stays the same, and does not go below zero."""
    guest = await scene.guest(tenant := scene.tenant())
    (row,) = scene.system.connections_of(tenant)
    await scene.counted(tenant, 1)
    count_again(scene, tenant, "INSERT", {"NewImage": row})
    await scene.counted(tenant, 1)
    guest.leave()
    await scene.counted(tenant, 0)
    count_again(scene, tenant, "REMOVE", {"OldImage": row})
    await scene.counted(tenant, 0)
