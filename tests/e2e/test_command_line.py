"""Commands of the operator on a running stack, which most of these find by its environment, as on AWS."""

import asyncio
import json
import uuid

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.e2e.scene import Scene
from tests.e2e.system import System
from tests.support.waiting import PATIENCE_SECONDS
from tools.client.conversation import Client
from tools.release.description import deployment_of
from tools.release.environment import Environment
from tools.stack.access import AccountAccess
from tools.stack.local_aws import REGION
from tools.stack.project import Project


@pytest.mark.image_smoke
async def test_a_broadcast_from_the_command_line_is_followed_to_its_end(scene: Scene) -> None:
    """It prints the id and the report, and succeeds because all were reached."""
    guest = await scene.guest(tenant := scene.tenant())
    done = scene.system.as_operator("broadcast", '{"text": "hello"}', "--tenant", tenant, "--follow")
    assert done.returncode == 0, done.stderr
    frame = await guest.frame()
    assert frame["data"] == {"text": "hello"}
    assert frame["id"] in done.stdout
    assert "finished" in done.stdout
    shown = scene.system.as_operator("broadcast", "show", frame["id"], "--json")
    assert [(row["status"], row["delivered"]) for row in json.loads(shown.stdout)] == [("finished", 1)]


async def test_a_broadcast_to_an_unknown_tenant_is_refused_in_a_sentence(system: System) -> None:
    """The exit code and standard error say so, without a traceback."""
    done = system.as_operator("broadcast", "hello", "--tenant", "nobody")
    assert done.returncode == 1
    assert "audience.tenantId" in done.stderr
    assert "Traceback" not in done.stderr


ABNORMAL_CLOSURE = 1006
SETTINGS = '[{"pattern":"news/*","history":{"messages":10,"seconds":60}}]'
DIRECT = {"action": "sendmessage", "message": "from before", "destinationPlayerId": "bob"}


def rows_of(system: System, tenant: str) -> set[str]:
    """The tables that have rows of the tenant; minutes' counters, which carry their minute, left out."""
    found = set()
    for name, table in system.deployment.outputs["tables"].items():
        for page in system.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
            if any(tenant in str(row) and "itemTTL" not in row for row in page["Items"]):
                found.add(name)
    return found


async def test_a_tenant_is_put_listed_used_and_deleted(scene: Scene) -> None:
    """Its limits hold from the first connection on; its data is erased, and an id that is used again has none."""
    tenant = f"tenant-{uuid.uuid4().hex}"
    limits = ("--connections-per-session", "1", "--channels", SETTINGS)
    assert scene.system.as_operator("tenant", "put", tenant, *limits).returncode == 0
    assert tenant in scene.system.as_operator("tenant", "list").stdout
    promised = scene.system.as_operator("tenant", "put", tenant, "--silo")
    assert promised.returncode == 1
    assert f"Tenant {tenant} has no silo" in promised.stderr
    assert scene.system.as_operator("tenant", "put", "gold", "--silo").returncode == 0
    listed = {item["tenantId"]: item for item in (await scene.api.call("GET", "/tenant"))["Items"]}
    assert (listed[tenant]["connectionsPerSession"], listed[tenant]["silo"]) == (1, False)
    (news,) = listed[tenant]["channels"]
    assert (news["pattern"], news["history"]["messages"]) == ("news/*", 10)
    session = await scene.session(listed[tenant]["tenantId"])
    first = await scene.connect(session)
    assert (await scene.refusal(tenantId=tenant, sessionId=session.session)).status == 429
    neighbour = await scene.guest(scene.tenant())
    ann = await scene.connect(await scene.session(listed[tenant]["tenantId"], "ann"))
    for frame in (DIRECT, {"action": "joinroom", "roomKey": "r", "nickName": "Ann"}):
        ann.send_json(frame)
        await ann.frame()
    done = await asyncio.to_thread(scene.system.as_operator, "tenant", "delete", tenant)
    assert done.returncode == 0, done.stderr
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [
        *(["connections", "2"], ["messages", "1"], ["partitions", "1"], ["sessions", "2"])
    ]
    for guest in (first, ann):
        assert await guest.closed(PATIENCE_SECONDS) != ABNORMAL_CLOSURE
    assert tenant not in scene.system.as_operator("tenant", "list").stdout
    assert rows_of(scene.system, tenant) == {"tenants", "partitions"}
    assert "may still be on their way" in scene.system.as_operator("tenant", "put", tenant).stderr
    assert scene.system.as_operator("tenant", "put", tenant, "--at-once").returncode == 0
    bob = await scene.connect(await scene.session(listed[tenant]["tenantId"], "bob"))
    await scene.counted(listed[tenant]["tenantId"], 1)
    assert await scene.received([bob, neighbour]) == [[], []]


async def test_a_session_from_the_command_line_is_connected_to(scene: Scene) -> None:
    """The URL that is printed is all that a client needs."""
    done = scene.system.as_operator("session", "create", tenant := scene.tenant(), "--player", "ann", "--json")
    assert done.returncode == 0, done.stderr
    created = json.loads(done.stdout)
    scene.system.secrets.add(created["sessionId"])
    async with await Client.connect(created["url"]) as client:
        published = scene.system.as_operator("broadcast", "hello", "--tenant", tenant, "--player", "ann", "--json")
        assert published.returncode == 0, published.stderr
        assert (await client.receive_json())["id"] == json.loads(published.stdout)["broadcastId"]
    assert created["url"] in created["snippet"]


async def test_status_shows_every_part(system: System) -> None:
    """Processes, functions and queues are listed, and the exit code says that all runs."""
    done = system.loudhailer("status")
    assert done.returncode == 0, done.stderr
    parts = [*system.deployment.functions, *system.deployment.queue_urls, system.deployment.http_url]
    assert [part for part in (*system.pids(), *parts) if part not in done.stdout] == []
    on_aws = system.as_operator("status", "--json")
    assert on_aws.returncode == 0, on_aws.stderr
    shown = json.loads(on_aws.stdout)
    assert {row["function"] for row in shown["functions"]} == {*system.deployment.functions}
    assert {row["queue"] for row in shown["queues"]} == {*system.deployment.queue_urls}
    assert {row["url"] for row in shown["urls"]} >= {system.deployment.http_url, system.deployment.websocket_url}
    assert "gold" in {row["tenant"] for row in shown["tenants"]}


async def test_a_broadcast_is_found_in_the_logs_of_a_function(scene: Scene) -> None:
    """An operator finds a broadcast by its id."""
    broadcast_id = await scene.broadcast({"tenantId": scene.tenant()}, json.dumps("hello"))
    await scene.report(broadcast_id)
    done = scene.system.as_operator("logs", "publish")
    assert done.returncode == 0, done.stderr
    assert broadcast_id in done.stdout


def test_a_deployment_is_the_same_however_it_is_found(system: System) -> None:
    """The parameter has the outputs of Terraform, as they are."""
    found = deployment_of(
        Environment.of(Project.of_this_code(), "local"),
        AccountAccess(system.deployment.access.session, system.deployment.access.endpoint),
    )
    known = system.deployment.outputs
    assert found.outputs == {name: known.get(name) for name in found.outputs}
    assert {"tables", "functions", "queue_urls", "auth", "cells", "timeouts"} <= found.outputs.keys()


def test_the_operators_role_may_do_no_more_than_commands_do(system: System) -> None:
    """It makes no rows of clients, invokes and changes no function, and reads no other parameter."""
    operator = boto3.Session(
        aws_access_key_id=system.operator["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=system.operator["AWS_SECRET_ACCESS_KEY"],
        aws_session_token=system.operator["AWS_SESSION_TOKEN"],
        region_name=REGION,
    )

    def refused(service: str, call: str, **request: object) -> bool:
        client = operator.client(service, endpoint_url=system.deployment.access.endpoint)  # type: ignore[call-overload] # by its name
        try:
            getattr(client, call)(**request)
        except ClientError as error:
            return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}
        return False

    session = {"tenantId": {"S": "gold#00"}, "sessionId": {"S": "forged"}}
    publish = system.deployment.functions["publish"]
    calls: list[tuple[str, str, dict[str, object]]] = [
        ("dynamodb", "put_item", {"TableName": system.table("sessions"), "Item": session}),
        ("dynamodb", "scan", {"TableName": system.table("sessions")}),
        ("dynamodb", "delete_table", {"TableName": system.table("tenants")}),
        ("lambda", "invoke", {"FunctionName": publish}),
        ("lambda", "get_function", {"FunctionName": publish}),
        ("sqs", "purge_queue", {"QueueUrl": system.queue("dead-letter")}),
        ("sqs", "receive_message", {"QueueUrl": system.queue("pooled")}),
        ("ssm", "put_parameter", {"Name": "/loudhailer-local/deployment", "Value": "{}", "Overwrite": True}),
        ("ssm", "get_parameter", {"Name": "/loudhailer-local/other"}),
        ("iam", "list_roles", {}),
    ]
    assert [(service, call) for service, call, request in calls if not refused(service, call, **request)] == []
    assert not refused("dynamodb", "scan", TableName=system.table("tenants"))
