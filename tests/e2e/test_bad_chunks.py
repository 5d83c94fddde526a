"""Endpoints, frames and ids that are no good reach a worker: a named outcome, a log line, and no id is lost."""

import base64
import json
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.ids import BroadcastId
from tests.e2e.faults import paused, taken
from tests.e2e.scene import Guest, Scene
from tests.e2e.system import System
from tests.support.management_api import free_port, running
from tests.support.waiting import eventually
from tools.operations.logs import LogReader

GUESTS = 3
LAST = 8
MAX_FRAME_BYTES = 128 * 1024

type Endpoint = Callable[[Path], AbstractContextManager[str]]
"""Where posts go that will not succeed; the folder is for what it needs."""


async def changed(scene: Scene, change: Callable[[ChunkMessage], ChunkMessage]) -> tuple[list[Guest], ChunkMessage]:
    """A broadcast to a few guests whose chunk is another one when the worker gets it; this one."""
    guests = await scene.guests(await scene.session(tenant := scene.tenant()), GUESTS)
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = await scene.broadcast({"tenantId": tenant})
        shard = scene.system.shard(broadcast_id)
        chunk = change(ChunkMessage.from_wire(await taken(scene.system, shard, broadcast_id)))
        scene.system.sqs.send_message(QueueUrl=scene.system.queue(shard), MessageBody=chunk.to_wire())
    return guests, chunk


def lines(system: System) -> list[dict[str, Any]]:
    """What `post_message` has logged."""
    reader = LogReader(system.logs, {"post_message": system.deployment.functions["post_message"]})
    return [json.loads(event.message) for event in reader.since(0) if event.message.startswith("{")]


def logged(system: System, broadcast_id: BroadcastId, message: str) -> bool:
    """Whether it has logged this of the broadcast."""
    wanted = {"broadcast_id": broadcast_id, "message": message}
    return any(wanted.items() <= line.items() for line in lines(system))


async def given_up(scene: Scene, chunk: ChunkMessage, reason: str) -> None:
    """Wait until all of the chunk is failed in the report, rests in the dead-letter queue, and is in the log."""
    report = await scene.report(chunk.broadcast_id)
    assert (report["dispatched"], report["failed"]) == (GUESTS, GUESTS)
    assert await scene.dead_letter(chunk.to_wire()) == {"reason": reason}
    await eventually(partial(logged, scene.system, chunk.broadcast_id, "part of the chunk is given up"))


@contextmanager
def refusing(_: Path) -> Iterator[str]:
    """Nobody listens there."""
    yield f"http://127.0.0.1:{free_port()}/live"


@contextmanager
def unresolved(_: Path) -> Iterator[str]:
    """A name that there is not."""
    yield "https://no-such-host.invalid/live"


@contextmanager
def hanging(_: Path) -> Iterator[str]:
    """Posts are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/live"


@contextmanager
def distrusted(folder: Path) -> Iterator[str]:
    """Nobody vouches for its certificate; what it is sent all the same would be seen."""
    openssl = shutil.which("openssl")
    assert openssl is not None, "openssl makes the certificate for this test"
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    made = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", str(key), "-out", str(certificate)]
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([openssl, "req", "-x509", *made, *subject], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with running(tls=context) as api:
        yield api.endpoint
        assert api.requests == []


@pytest.mark.parametrize("endpoint", [refusing, unresolved, hanging, distrusted])
async def test_an_endpoint_that_is_no_good_is_given_up_with_every_id(
    scene: Scene, tmp_path: Path, endpoint: Endpoint
) -> None:
    """After the last attempt, that is: nobody is lost, and whoever answers there gets nothing."""
    with endpoint(tmp_path) as url:
        _, chunk = await changed(scene, lambda chunk: replace(chunk, endpoint=url, attempt=LAST))
        await given_up(scene, chunk, "the attempts are used up")


async def test_credentials_that_have_expired_are_no_reason_to_give_up(scene: Scene) -> None:
    """What is answered with 403 goes back to its shard, and succeeds when the credentials are good again."""
    with running() as api:

        def there(chunk: ChunkMessage) -> ChunkMessage:
            for connections in chunk.recipients.values():
                api.answers.update({connection: [403, 403, 403, 403, 200] for connection in connections})
            return replace(chunk, endpoint=api.endpoint)

        _, chunk = await changed(scene, there)
        report = await scene.report(chunk.broadcast_id)
    assert (report["delivered"], report["failed"], len(api.requests)) == (GUESTS, 0, 5 * GUESTS)
    assert logged(scene.system, chunk.broadcast_id, "posts were answered with errors")


@pytest.mark.parametrize("size", [MAX_FRAME_BYTES - 1, MAX_FRAME_BYTES])
async def test_a_frame_of_up_to_128_kib_is_delivered(scene: Scene, size: int) -> None:
    """Whatever stands in it."""
    guests, chunk = await changed(scene, lambda chunk: replace(chunk, frame="x" * size))
    assert [len(await guest.receive(60)) for guest in guests] == [size] * GUESTS
    assert (await scene.report(chunk.broadcast_id))["delivered"] == GUESTS


async def test_a_frame_of_more_than_128_kib_is_given_up_at_once(scene: Scene) -> None:
    """The gateway will never take it."""
    _, chunk = await changed(scene, lambda chunk: replace(chunk, frame="x" * (MAX_FRAME_BYTES + 1)))
    await given_up(scene, chunk, "the gateway refuses the frame")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"data": ""}, "data is missing"),
        ({"data": base64.b64encode(b"\xff").decode(), "encoding": "base64"}, "data is not base64 of UTF-8"),
        ({"connections": {"tenant#00000": ["a b"]}, "young": "AA=="}, "connections: must be an API Gateway connection"),
    ],
    ids=["empty", "not-utf-8", "illegal-id"],
)
async def test_a_chunk_that_makes_no_sense_rests_with_its_ids(
    scene: Scene, fields: dict[str, Any], reason: str
) -> None:
    """Nobody is posted to; the letter says why, and so does the log; the report comes to an end."""
    await scene.guest(tenant := scene.tenant())
    with paused(scene.system, *scene.system.deployment.shard_names):
        broadcast_id = BroadcastId(await scene.broadcast({"tenantId": tenant}))
        shard = scene.system.shard(broadcast_id)
        body = json.dumps(json.loads(await taken(scene.system, shard, broadcast_id)) | fields)
        scene.system.sqs.send_message(QueueUrl=scene.system.queue(shard), MessageBody=body)
    assert (await scene.dead_letter(body))["reason"].startswith(reason)
    report = await scene.report(broadcast_id)
    assert (report["delivered"], report["failed"]) == (0, 1)
    await eventually(lambda: any(str(line.get("reason")).startswith(reason) for line in lines(scene.system)))
