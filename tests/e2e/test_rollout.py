"""A dry run of the rollout to subscribers on a local stack: wave after wave, each account as its workflow does it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pipeline import FAILING, Pipeline, empty_pipeline

MAP = {
    "blue": {"account_id": "222222222222", "external_id": "local-blue", "shards": [2]},
    "green": {"account_id": "333333333333", "external_id": "local-green", "shards": [3]},
}
POST_MESSAGE = "functions/post_message/handler.py"


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A hub and two subscribers, none of them deployed."""
    with empty_pipeline(tmp_path_factory.mktemp("rollout"), MAP) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def first(pipeline: Pipeline) -> str:
    """The digest that was promoted to the hub and rolled out first."""
    digest = pipeline.build()
    promoted = pipeline.promote(digest)
    assert promoted.returncode == 0, promoted.stderr
    assert rolled_out(pipeline, digest) == {"blue": "", "green": ""}
    return digest


def rolled_out(pipeline: Pipeline, digest: str) -> dict[str, str]:
    """What the workflow `subscribers` does: wave after wave, until one fails; who was reached, and what was wrong."""
    commit = pipeline.released(digest)
    reached: dict[str, str] = {}
    for wave in json.loads(pipeline.done("waves", "local")):
        reached |= {name: deployed(pipeline, name, commit) for name in wave}
        if any(reached.values()):
            break
    return reached


def deployed(pipeline: Pipeline, name: str, commit: str) -> str:
    """What the workflow `deploy` does for a subscriber, each job on a machine of its own; what was wrong."""
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
    """Of all that a job had there is the plan, which it handed on."""
    kept = shutil.move(home / name / "plan", home / "plan")
    shutil.rmtree(home / name)
    (home / f"cell-{name}.json").unlink()
    shutil.move(kept, home / name / "plan")


def is_as_it_should_be(pipeline: Pipeline, name: str) -> bool:
    """Whether a subscriber delivers, and has not drifted."""
    well = pipeline.done("health", "local", "--subscriber", name)
    drift = pipeline.done("drift", "local", "--subscriber", name)
    return f"{name} of local is well" in well and "is as it should be" in drift


@pytest.mark.nightly
@pytest.mark.parametrize("stack", [(), ("--subscriber", "green")], ids=["hub", "subscriber"])
def test_what_was_never_promoted_has_no_plan_and_no_drift(
    pipeline: Pipeline, tmp_path: Path, stack: tuple[str, ...]
) -> None:
    """Which is said, and is no failure: a pull request is not to blame for it."""
    output = tmp_path / "output"
    assert "Nothing has been promoted yet." in pipeline.done("current", "local", *stack, GITHUB_OUTPUT=str(output))
    assert output.read_text() == "commit=\nsources=\n"
    assert "No plan: nothing has been promoted to it yet." in pipeline.done("plan", "local", *stack)
    assert "Nothing has been promoted yet." in pipeline.done("drift", "local", *stack)
    assert "There is no plan for" in pipeline.release("apply", "local", *stack).stderr
    assert "Nothing has been promoted to" in pipeline.release("rollback", "local", *stack).stderr


def test_the_digest_that_is_rolled_out_is_the_one_that_each_account_runs(pipeline: Pipeline, first: str) -> None:
    """Health proved that each delivers what goes through its own shard; it is written down, and nothing drifts."""
    for name in MAP:
        assert pipeline.running(name) == {first}
        assert first in pipeline.done("history", "local", "--subscriber", name)
        assert "is as it should be" in pipeline.done("drift", "local", "--subscriber", name)


@pytest.mark.nightly
def test_a_failed_canary_stops_the_waves(pipeline: Pipeline, first: str) -> None:
    """It is back at its earlier digest, by the workflow's own rollback; the next account never left it."""
    failing = pipeline.build(change=FAILING, of=POST_MESSAGE)
    reached = rolled_out(pipeline, failing)
    assert reached.keys() == {"blue"}
    assert "the synthetic broadcast through shard 2 did not arrive" in reached["blue"]
    assert failing in pipeline.done("history", "local", "--subscriber", "blue")
    assert failing not in pipeline.done("history", "local", "--subscriber", "green")
    assert pipeline.running("blue") == pipeline.running("green") == {first}
    assert is_as_it_should_be(pipeline, "blue")


@pytest.mark.nightly
def test_a_rollback_of_one_account_takes_its_previous_digest(pipeline: Pipeline, first: str) -> None:
    """One command; the other account stays where it is."""
    second = pipeline.build(change="\n# second\n")
    assert deployed(pipeline, "green", pipeline.released(second)) == ""
    assert (pipeline.running("blue"), pipeline.running("green")) == ({first}, {second})
    assert first in pipeline.rolled_back("--subscriber", "green")
    assert pipeline.running("blue") == pipeline.running("green") == {first}
    assert is_as_it_should_be(pipeline, "green")


@pytest.mark.nightly
def test_a_subscriber_that_the_hub_does_not_know_yet_waits_for_the_hub(pipeline: Pipeline, first: str) -> None:
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
    assert pipeline.running() == {first}
