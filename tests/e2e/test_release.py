"""A dry run of the pipeline on a local stack: images by digest, promoted, rolled out, taken back, rolled back.

The hub's tests and the subscribers' are in one file, so that one process makes one stack for both.
"""

import json
import re
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.pipeline import FAILING, REPOSITORY, ROOT, Pipeline, empty_pipeline
from tests.e2e.scene import Scene

CROWD = 10
MAP: dict[str, dict[str, Any]] = {
    "blue": {"account_id": "222222222222", "external_id": "local-blue", "shards": [2]},
    "green": {"account_id": "333333333333", "external_id": "local-green", "shards": [3]},
}
POST_MESSAGE = "functions/broadcast/post_message/handler.py"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A hub and two subscribers, none of them deployed."""
    with empty_pipeline(tmp_path_factory.mktemp("pipeline"), MAP) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def first(pipeline: Pipeline) -> str:
    """The digest that was promoted to the hub first."""
    digest = pipeline.build()
    promoted = pipeline.promote(digest)
    assert promoted.returncode == 0, promoted.stderr
    return digest


@pytest.fixture(scope="module")
def canary(pipeline: Pipeline, first: str) -> str:
    """The same digest, rolled out to the first wave too."""
    assert rolled_out(pipeline, first, slice(1)) == {"blue": ""}
    return first


@pytest.fixture(scope="module")
def everywhere(pipeline: Pipeline, canary: str) -> str:
    """The same digest, rolled out to the other wave too."""
    assert rolled_out(pipeline, canary, slice(1, None)) == {"green": ""}
    return canary


def rolled_out(pipeline: Pipeline, digest: str, part: slice = slice(None)) -> dict[str, str]:
    """Do as the workflow `subscribers`: wave after wave, until one fails. Return who was reached, and the error."""
    commit = pipeline.released(digest)
    reached: dict[str, str] = {}
    for wave in json.loads(pipeline.done("waves", "local"))[part]:
        reached |= {name: deployed(pipeline, name, commit) for name in wave}
        if any(reached.values()):
            break
    return reached


def deployed(pipeline: Pipeline, name: str, commit: str) -> str:
    """Do as the workflow `deploy` for a subscriber, each job on a machine of its own; return the error."""
    subscriber = ("--subscriber", name)
    pipeline.done("cell", "local", *subscriber)
    plan = pipeline.planned(commit, *subscriber)
    on_a_fresh_machine(pipeline.home, name)
    applied = pipeline.applied(plan, *subscriber)
    if applied.returncode:
        return applied.stderr
    pipeline.done("cell", "local", *subscriber)
    health = pipeline.release("health", "local", *subscriber)
    if health.returncode:
        pipeline.rolled_back(*subscriber)
    return health.stderr if health.returncode else ""


def on_a_fresh_machine(home: Path, name: str) -> None:
    """Remove all that a job had but the plan, which it handed on."""
    folder = home / f"subscriber-{name}"
    kept = shutil.move(folder / "plan", home / "plan")
    shutil.rmtree(folder)
    (home / f"hub-for-subscriber-{name}.json").unlink()
    shutil.move(kept, folder / "plan")


def is_as_it_should_be(pipeline: Pipeline, name: str) -> bool:
    """Tell whether a subscriber delivers, and has not drifted."""
    well = pipeline.done("health", "local", "--subscriber", name)
    drift = pipeline.done("drift", "local", "--subscriber", name)
    return f"{name} of local is well" in well and "is as it should be" in drift


@pytest.mark.nightly
@pytest.mark.parametrize("stack", [(), ("--subscriber", "green")], ids=["hub", "subscriber"])
def test_an_environment_without_a_promotion_has_no_plan_and_no_drift(
    pipeline: Pipeline, tmp_path: Path, stack: tuple[str, ...]
) -> None:
    """The command says so, and does not fail: a pull request is not to blame for it."""
    output = tmp_path / "output"
    assert "Nothing has been promoted yet." in pipeline.done("current", "local", *stack, GITHUB_OUTPUT=str(output))
    assert output.read_text() == "commit=\nsources=\n"
    assert "No plan: nothing has been promoted to it yet." in pipeline.done("plan", "local", *stack)
    assert "Nothing has been promoted yet." in pipeline.done("drift", "local", *stack)
    assert "There is no plan for" in pipeline.release("apply", "local", *stack).stderr
    assert "Nothing has been promoted to" in pipeline.release("rollback", "local", *stack).stderr


def test_the_canary_runs_the_rolled_out_digest(pipeline: Pipeline, canary: str) -> None:
    """The health check proved that it delivers through its own shard; it is recorded, and nothing drifts."""
    runs(pipeline, "blue", canary)


@pytest.mark.nightly
def test_each_account_runs_the_rolled_out_digest(pipeline: Pipeline, everywhere: str) -> None:
    """The second wave has it as well as the canary."""
    for name in MAP:
        runs(pipeline, name, everywhere)


def runs(pipeline: Pipeline, name: str, digest: str) -> None:
    """Make sure that a subscriber runs a digest, that its history says so, and that nothing of it has drifted."""
    assert pipeline.running(name) == {digest}
    assert digest in pipeline.done("history", "local", "--subscriber", name)
    assert "is as it should be" in pipeline.done("drift", "local", "--subscriber", name)


@pytest.mark.nightly
def test_the_promoted_digest_runs(pipeline: Pipeline, first: str) -> None:
    """Every function's alias leads to it, it is written down, and nothing drifts."""
    assert pipeline.running() == {first}
    assert first in pipeline.done("history", "local")
    assert "is as it should be" in pipeline.done("drift", "local")


async def test_sockets_stay_open_from_promotion_to_rollback(pipeline: Pipeline, canary: str, tmp_path: Path) -> None:
    """A second digest takes over, and one command returns to the first; nobody is disconnected, nothing drifts.

    The second brings a setting along, which stays: it is written down whose sources were applied.
    """
    assert pipeline.running() == {canary}
    async with Scene(pipeline.system) as scene:
        guests = await scene.guests(await scene.session(tenant := scene.tenant()), CROWD)
        pipeline.configure("connections = { max_partitions = 640 }")
        second = pipeline.build(change="\n# second\n")
        commit = pipeline.released(second)
        promoted = pipeline.applied(pipeline.planned(commit))
        assert promoted.returncode == 0, promoted.stderr
        assert pipeline.running() == {second}
        assert canary in pipeline.rolled_back()
        assert pipeline.running() == {canary}
        assert pipeline.live("authorizer")["Environment"]["Variables"]["MAX_PARTITIONS"] == "640"
        pipeline.done("current", "local", GITHUB_OUTPUT=str(tmp_path / "output"))
        assert f"sources={commit}\n" in (tmp_path / "output").read_text()
        await scene.api.publish({"tenantId": tenant}, "still here", through_the_hub(pipeline))
        assert [(await guest.frame())["data"] for guest in guests] == ["still here"] * CROWD
    assert canary in pipeline.done("history", "local")
    assert "is as it should be" in pipeline.done("drift", "local")


def through_the_hub(pipeline: Pipeline) -> str:
    """Name a broadcast whose chunk the hub posts: nobody posts that of a subscriber that is not rolled out yet."""
    claimed = {f"shard-{number}" for subscriber in MAP.values() for number in subscriber["shards"]}
    return next(name for name in map("still-here-{}".format, count()) if pipeline.system.shard(name) not in claimed)


@pytest.mark.nightly
def test_a_failing_digest_is_rolled_back(pipeline: Pipeline, first: str) -> None:
    """The traffic is back when the command ends; `drift` reports it until the rollback."""
    commit = pipeline.released(pipeline.build(change=FAILING, of="functions/broadcast/publish/handler.py"))
    failed = pipeline.applied(pipeline.planned(commit))
    assert failed.returncode == 1
    assert "not well" in failed.stderr
    assert pipeline.running() == {first}
    drift = pipeline.release("drift", "local").stdout
    assert "gets no traffic" in drift
    assert re.search(f"the promotion of {commit} was begun at [-0-9]+T[:0-9]+Z and has not ended", drift)
    assert first in pipeline.rolled_back()
    assert "is as it should be" in pipeline.done("drift", "local")
    assert f"The Terraform sources are those of {commit}." in pipeline.done("current", "local")


@pytest.mark.nightly
def test_the_commands_of_readme_promote_and_roll_back(pipeline: Pipeline, first: str) -> None:
    """Unchanged, except for the environment and the placeholders."""
    plan, apply, health, drift, rollback = (
        command.replace("staging", "local")
        for command in re.findall(
            r"^(make \w+ ENVIRONMENT=staging.*?) +#", (ROOT / "README.md").read_text(), re.MULTILINE
        )
    )
    commit, digest = next(pipeline.commits), pipeline.build(change="\n# by hand\n")
    pipeline.make("make manifest ENVIRONMENT=local", COMMIT=commit, DIGEST=digest)
    planned = pipeline.make(plan.replace("<40 digits>", commit))
    (fingerprint,) = re.findall("--plan ([0-9a-f]{64})", planned)
    pipeline.make(apply.replace("<fingerprint>", fingerprint), WATCH="0")
    assert pipeline.running() == {digest}
    assert "is well" in pipeline.make(health)
    assert "is as it should be" in pipeline.make(drift)
    assert first in pipeline.make(rollback, WATCH="0")
    assert pipeline.running() == {first}


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_shards_are_drained_before_their_removal(tmp_path: Path) -> None:
    """Added ones are used at once. No queue goes while a version that runs, or may be returned to, sends to it."""
    with empty_pipeline(tmp_path, {}) as pipeline:
        pipeline.reconfigure("count = 4", "count = 2")
        promote(pipeline, "first")
        pipeline.reconfigure("count = 2", "count = 4")
        promote(pipeline, "more shards")

        pipeline.reconfigure("count = 4", "count = 2")
        commit = pipeline.released(pipeline.build(change="\n# fewer shards\n"))
        refused = pipeline.release("plan", "local", "--commit", commit, "--allow-destroy")
        assert "The plan destroys loudhailer-local-shard-2, loudhailer-local-shard-3, which " in refused.stderr
        assert "loudhailer-local-query:" in refused.stderr
        assert "There is no plan for" in pipeline.release("apply", "local").stderr

        pipeline.reconfigure("count = 2", "count = 2, draining = 2")
        promote(pipeline, "two shards are drained")
        pipeline.reconfigure(", draining = 2", "")
        assert "loudhailer-local-query:" in pipeline.release("plan", "local", "--allow-destroy").stderr
        pipeline.reconfigure("count = 2", "count = 2, draining = 2")
        promote(pipeline, "still drained")
        pipeline.reconfigure(", draining = 2", "")
        assert "ALLOW_DESTROY=true" in pipeline.release("plan", "local").stderr
        promote(pipeline, "two shards", "--allow-destroy")
        assert "is well" in pipeline.done("health", "local")
        assert sorted(pipeline.system.deployment.shard_names) == ["shard-0", "shard-1"]


def promote(pipeline: Pipeline, change: str, *options: str) -> None:
    """Promote a digest of its own, which must succeed."""
    promoted = pipeline.applied(pipeline.planned(pipeline.released(pipeline.build(change=f"\n# {change}\n")), *options))
    assert promoted.returncode == 0, promoted.stderr


@pytest.mark.nightly
def test_a_plan_that_was_not_approved_is_not_applied(pipeline: Pipeline, first: str) -> None:
    """The fingerprint is that of the files that were shown."""
    pipeline.done("plan", "local")
    refused = pipeline.release("apply", "local", "--plan", "0" * 64)
    assert refused.returncode == 1
    assert "not the one that was approved" in refused.stderr
    assert pipeline.running() == {first}


@pytest.mark.nightly
@pytest.mark.usefixtures("first")
@pytest.mark.parametrize(
    ("repository", "digest", "sentence"),
    [
        (REPOSITORY, "v1.2.3", "It must be sha256: followed by 64 lowercase hexadecimal digits"),
        (REPOSITORY, "sha256:0123", "It must be sha256: followed by 64 lowercase hexadecimal digits"),
        (REPOSITORY, f"sha256:{'0' * 64}", "has no image with the digest"),
        (f"{REPOSITORY}-fork", f"sha256:{'0' * 64}", "The manifest is of another repository"),
        (f"{REPOSITORY}:v1", f"sha256:{'0' * 64}", "It must be <12 digits>.dkr.ecr.<region>.amazonaws.com/<name>"),
    ],
)
def test_an_invalid_release_is_refused_before_any_change(
    pipeline: Pipeline, tmp_path: Path, repository: str, digest: str, sentence: str
) -> None:
    """The sentence says the legal form; nothing is planned, and the running release stays."""
    before = pipeline.running()
    manifest = {
        "v": 1,
        "commit": "f" * 40,
        "image": {"repository_url": repository, "digest": digest},
        "createdAt": "2026-11-26T15:00:00Z",
    }
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    refused = pipeline.release("plan", "local", "--manifest", str(tmp_path / "manifest.json"))
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr
    assert pipeline.running() == before


@pytest.mark.nightly
def test_a_failed_canary_stops_the_waves(pipeline: Pipeline, everywhere: str) -> None:
    """It is back at its earlier digest, by the workflow's own rollback; the next account never left it."""
    failing = pipeline.build(change=FAILING, of=POST_MESSAGE)
    reached = rolled_out(pipeline, failing)
    assert reached.keys() == {"blue"}
    assert "the synthetic broadcast through shard 2 did not arrive" in reached["blue"]
    assert failing in pipeline.done("history", "local", "--subscriber", "blue")
    assert failing not in pipeline.done("history", "local", "--subscriber", "green")
    assert pipeline.running("blue") == pipeline.running("green") == {everywhere}
    assert is_as_it_should_be(pipeline, "blue")


@pytest.mark.nightly
def test_a_rollback_of_one_account_takes_its_previous_digest(pipeline: Pipeline, everywhere: str) -> None:
    """One command; the other account stays where it is."""
    second = pipeline.build(change="\n# second\n")
    assert deployed(pipeline, "green", pipeline.released(second)) == ""
    assert (pipeline.running("blue"), pipeline.running("green")) == ({everywhere}, {second})
    assert everywhere in pipeline.rolled_back("--subscriber", "green")
    assert pipeline.running("blue") == pipeline.running("green") == {everywhere}
    assert is_as_it_should_be(pipeline, "green")


@pytest.mark.nightly
def test_a_subscriber_that_the_hub_does_not_know_yet_waits_for_the_hub(pipeline: Pipeline, everywhere: str) -> None:
    """It is in the map, which was not promoted since."""
    path = pipeline.code.terraform / "environments/local/subscribers.tfvars.json"
    before = path.read_text()
    red = {"account_id": "444444444444", "external_id": "local-red", "shards": [1]}
    path.write_text(json.dumps({"subscribers": MAP | {"red": red}}))
    try:
        refused = pipeline.release("cell", "local", "--subscriber", "red")
    finally:
        path.write_text(before)
    assert refused.returncode == 1
    assert "The hub of local does not know red yet." in refused.stderr
    assert "Promote the hub first" in refused.stderr
    assert pipeline.running() == {everywhere}
