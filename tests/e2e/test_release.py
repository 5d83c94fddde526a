"""A dry run of the pipeline on a local stack: images by digest, promoted, taken back, rolled back."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pipeline import FAILING, REPOSITORY, ROOT, Pipeline, empty_pipeline
from tests.e2e.scene import Scene

CROWD = 10


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A hub without subscribers."""
    with empty_pipeline(tmp_path_factory.mktemp("pipeline")) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def first(pipeline: Pipeline) -> str:
    """The digest that was promoted first."""
    digest = pipeline.build()
    promoted = pipeline.promote(digest)
    assert promoted.returncode == 0, promoted.stderr
    return digest


@pytest.mark.nightly
def test_the_digest_that_is_promoted_is_the_one_that_runs(pipeline: Pipeline, first: str) -> None:
    """Every function's alias leads to it, it is written down, and nothing drifts."""
    assert pipeline.running() == {first}
    assert first in pipeline.done("history", "local")
    assert "is as it should be" in pipeline.done("drift", "local")


async def test_sockets_stay_open_from_promotion_to_rollback(pipeline: Pipeline, first: str, tmp_path: Path) -> None:
    """A second digest takes over, and one command returns to the first; nobody is disconnected, nothing drifts.

    The second brings a setting along, which stays: it is written down whose sources were applied.
    """
    assert pipeline.running() == {first}
    async with Scene(pipeline.system) as scene:
        guests = await scene.guests(await scene.session(tenant := scene.tenant()), CROWD)
        pipeline.configure("memory = { swarm = 640 }")
        second = pipeline.build(change="\n# second\n")
        commit = pipeline.released(second)
        promoted = pipeline.applied(pipeline.planned(commit))
        assert promoted.returncode == 0, promoted.stderr
        assert pipeline.running() == {second}
        assert first in pipeline.rolled_back()
        assert pipeline.running() == {first}
        assert pipeline.live("swarm")["MemorySize"] == 640
        pipeline.done("current", "local", GITHUB_OUTPUT=str(tmp_path / "output"))
        assert f"sources={commit}\n" in (tmp_path / "output").read_text()
        await scene.broadcast({"tenantId": tenant}, "still here")
        assert [(await guest.frame())["data"] for guest in guests] == ["still here"] * CROWD
    assert first in pipeline.done("history", "local")
    assert "is as it should be" in pipeline.done("drift", "local")


@pytest.mark.nightly
def test_a_digest_that_fails_is_taken_back_and_rolled_back(pipeline: Pipeline, first: str) -> None:
    """The traffic is back when the command ends; that it has drifted is said until the rollback."""
    failed = pipeline.promote(pipeline.build(change=FAILING, of="functions/publish/handler.py"))
    assert failed.returncode == 1
    assert "not well" in failed.stderr
    assert pipeline.running() == {first}
    assert "gets no traffic" in pipeline.release("drift", "local").stdout
    assert first in pipeline.rolled_back()
    assert "is as it should be" in pipeline.done("drift", "local")


@pytest.mark.nightly
def test_the_commands_of_readme_promote_and_roll_back(pipeline: Pipeline, first: str) -> None:
    """As they stand there, but for the environment and what one fills in."""
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
def test_another_plan_than_the_approved_one_is_not_applied(pipeline: Pipeline, first: str) -> None:
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
def test_what_is_no_release_is_refused_before_anything_is_changed(
    pipeline: Pipeline, tmp_path: Path, repository: str, digest: str, sentence: str
) -> None:
    """The sentence says the legal form; there is no plan, and what runs goes on running."""
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
