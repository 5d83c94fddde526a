"""`loudhailer probe` on the local stack: it answers, and leaves nothing."""

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.e2e.system import started
from tests.support.waiting import eventually
from tools.probe import own_api, own_queues, own_tenant
from tools.probe.questions import QUESTIONS
from tools.stack.local_aws import ACCOUNT


def leftovers(scene: Scene) -> list[str]:
    """The APIs, queues and tenants of the probe that are there."""
    apis = scene.system.deployment.client("apigatewayv2").get_apis()["Items"]
    tenant = own_tenant.TENANT.tenant_id
    found = [api["Name"] for api in apis if api["Name"] == own_api.NAME]
    found += scene.system.sqs.list_queues(QueueNamePrefix=own_queues.PREFIX).get("QueueUrls", [])
    return found + [tenant] * (scene.system.tenants.get(tenant) is not None)


def written(folder: Path) -> Any:
    """The answers in the file of a run."""
    (path,) = folder.glob("*.json")
    return json.loads(path.read_text())


async def test_a_probe_gives_the_documented_answers_of_the_stand_in(scene: Scene, tmp_path: Path) -> None:
    """All except the slow ones and the one that uses up the quota; nothing is left behind."""
    arguments = ("probe", "local", "--account", ACCOUNT, "--into", str(tmp_path), "--json")
    done = await asyncio.to_thread(scene.system.loudhailer, *arguments)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert {each["name"]: each["verdict"] for each in answers["answers"]} == {
        each.name: each.stand_in for each in QUESTIONS if each.name not in answers["leftOut"]
    }, answers
    assert answers["asked"] == "the gateway stand-in"
    assert set(answers["leftOut"]) == {"callback-quota", "gone-counted", "keep-alive", "ping-frame"}
    assert written(tmp_path) == answers
    assert leftovers(scene) == []


async def test_frames_that_overtake_each_other_change_the_answer(scene: Scene, tmp_path: Path) -> None:
    """API Gateway promises no order, so the stand-in can do without."""
    await scene.faults(frame_delay_ms=50.0)
    arguments = ("probe", "local", "--account", ACCOUNT, "--into", str(tmp_path), "--only", "frame-order", "--json")
    done = await asyncio.to_thread(scene.system.loudhailer, *arguments)
    assert done.returncode == 0, done.stderr
    assert [each["verdict"] for each in json.loads(done.stdout)["answers"]] == ["changed"]


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_an_interrupted_probe_cleans_up_and_lists_its_questions(
    scene: Scene, tmp_path: Path, number: signal.Signals
) -> None:
    """It is interrupted once a session of its tenant is there; a connection would stay open for two minutes."""
    arguments = ("--only", "keep-alive", "--only", "refused-connect", "--long", "--into", str(tmp_path))
    command = ("probe", "local", "--account", ACCOUNT, *arguments)
    async with started(scene.system.home, scene.system.name, *command) as process:
        tenant = own_tenant.TENANT.tenant_id
        await eventually(lambda: [*scene.system.deployment.sessions.of_tenant(tenant)], any)
        os.kill(process.pid, number)
        assert await process.wait() == 128 + number
    assert leftovers(scene) == []
    assert written(tmp_path)["interrupted"] in (["keep-alive"], ["refused-connect"])


async def test_a_killed_probe_blocks_the_next_until_it_is_removed(scene: Scene) -> None:
    """The next one refuses, so that two never share an API."""
    client = scene.system.deployment.client("apigatewayv2")
    client.create_api(Name=own_api.NAME, ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action")
    scene.system.sqs.create_queue(QueueName=f"{own_queues.PREFIX}left")
    scene.system.tenants.put(own_tenant.TENANT)
    command = ("probe", "local", "--account", ACCOUNT)
    refused = await asyncio.to_thread(scene.system.loudhailer, *command, "--only", "http2")
    assert refused.returncode == 1
    assert "--remove" in refused.stderr
    removed = await asyncio.to_thread(scene.system.loudhailer, *command, "--remove")
    assert "1 APIs, 1 queues, 1 tenants" in removed.stdout
    assert leftovers(scene) == []
