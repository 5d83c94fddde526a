"""Requests that schemathesis makes of `docs/openapi.yaml`: some keep to it, others break it.

The same seed makes the same requests. Whatever is found is printed with a command that repeats the request.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import EVERYONE, Scene
from tests.support.waiting import eventually

DESCRIPTION = Path(__file__).parents[2] / "docs" / "openapi.yaml"
SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")
SEED = 4

# Two of its checks ask for what the contract denies: an unknown session is answered 400, as its clients have it, and
# API Gateway answers 404 to a method that a path has no route for.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "ensure_resource_availability",
    "use_after_free",
)
HOSTILE_IDS = ["a#b", "a/b", "../a", "a,b", "\0", "ä", "😀", "a" * 10_000]


def table(name: str, entries: dict[str, Any]) -> str:
    """A table of a TOML file; every JSON value used here is a TOML value too."""
    return "\n".join([f"[{name}]", *(f'"{key}" = {value}' for key, value in entries.items()), ""])


def configuration(values: dict[str, list[str]], parameters: dict[str, str]) -> str:
    """Return the rules by which half of the random requests reach what exists."""
    known = {name: f"{{ values = {json.dumps(each, ensure_ascii=False)} }}" for name, each in values.items()}
    taken = {name: f'{{ dictionary = "{source}", probability = 0.5 }}' for name, source in parameters.items()}
    return table("dictionaries", known) + table("parameters", taken)


async def fuzz(url: str, folder: Path, requests: int) -> str:
    """The findings of schemathesis after so many requests to each operation; an empty string if there are none."""
    command = [str(SCHEMATHESIS), "--config-file", "schemathesis.toml", "run", str(DESCRIPTION), "--url", url]
    command += ["--checks", ",".join(CHECKS), "--seed", str(SEED), "--max-examples", str(requests)]
    command += ["--continue-on-failure", "--warnings", "off", "--no-color"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    return "" if process.returncode == 0 else output.decode()


@pytest.mark.parametrize("requests", [10, pytest.param(100, marks=pytest.mark.nightly)])
async def test_no_request_makes_the_api_fail_or_break_its_contract(scene: Scene, tmp_path: Path, requests: int) -> None:
    """Never a 5xx, never an answer that the description does not have; and a guest stays connected all the while."""
    letters = scene.system.waiting("dead-letter", "dead-letter-fifo")  # of other tests
    guest = await scene.guest(tenant := scene.tenant())
    sessions = [scene.secret(), scene.secret(), *HOSTILE_IDS]
    broadcasts = [await scene.broadcast({"tenantId": tenant}), "mine", *HOSTILE_IDS]
    values = {"tenants": [tenant, *HOSTILE_IDS], "sessions": sessions, "broadcasts": broadcasts}
    parameters = {
        "query.tenantId": "tenants",
        "query.sessionId": "sessions",
        "body.audience.tenantId": "tenants",
        "body.audience.sessionId": "sessions",
        "body.broadcastId": "broadcasts",
        "path.id": "broadcasts",
    }
    (tmp_path / "schemathesis.toml").write_text(configuration(values, parameters))
    found = await fuzz(scene.system.deployment.http_url, tmp_path, requests)
    assert not found, found
    last = await scene.broadcast(EVERYONE, "the last")
    frames = await guest.frames_until(last)
    assert {frame["type"] for frame in frames} == {"broadcast"}
    await eventually(
        lambda: scene.system.waiting(*scene.system.deployment.queue_urls, delayed=True),
        lambda waiting: waiting == letters,
    )
