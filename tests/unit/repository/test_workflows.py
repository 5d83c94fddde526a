"""GitHub's workflows are wiring: what they call exists, what they may do is little, and their order is fixed."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT
from tools.release.environment import Subscriber
from tools.release.waves import waves

TARGETS = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
WORKFLOWS = {path.stem: path for path in sorted(ROOT.glob(".github/workflows/*.yml"))}
WITHOUT_A_CACHE = {
    "actions/checkout",
    "actions/download-artifact",
    "actions/github-script",
    "actions/upload-artifact",
    "aws-actions/amazon-ecr-login",
    "aws-actions/configure-aws-credentials",
    "sigstore/cosign-installer",
}
PINNED = re.compile(r"^\s*(?:- )?uses: (?P<action>[\w./-]+)@(?P<commit>[0-9a-f]{40}) # v\d+\.\d+\.\d+$")


def workflow(name: str) -> dict[str, Any]:
    """A workflow as GitHub reads it."""
    document: dict[str, Any] = yaml.safe_load(WORKFLOWS[name].read_text())
    return document


def jobs(name: str) -> dict[str, dict[str, Any]]:
    """A workflow's jobs."""
    found: dict[str, dict[str, Any]] = workflow(name)["jobs"]
    return found


def steps(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every step of a workflow with its job."""
    for job, content in jobs(name).items():
        for step in content.get("steps", []):
            yield job, step


def needs(name: str, job: str) -> set[str]:
    """The jobs that another one waits for."""
    found = jobs(name)[job].get("needs", [])
    return {found} if isinstance(found, str) else set(found)


def test_workflows_exist_for_tests_and_releases_only() -> None:
    """Each file is listed here."""
    tests, release = {"pull_request", "nightly"}, {"deploy", "drift", "promote", "release", "rollback", "waves"}
    assert set(WORKFLOWS) == tests | release


def test_a_pull_request_is_tested_with_enough_history_to_choose_the_emulators_tests() -> None:
    """A shallow clone has no merge base, and so would run them all."""
    (checkout,) = (step for job, step in steps("pull_request") if job == "test" and "checkout" in step.get("uses", ""))
    assert checkout["with"]["fetch-depth"] == 0
    assert targets("pull_request", "test") == ["test"]


def test_the_titles_of_a_pull_requests_commits_are_checked() -> None:
    """The range ends at the branch, not at a merge of GitHub, and a shallow clone would lack its start."""
    checkout, _, titles = (step for job, step in steps("pull_request") if job == "check")
    assert checkout["with"]["fetch-depth"] == 0
    assert titles["run"] == "make titles"
    ends = titles["env"]["COMMITS"].split("..")
    assert ends == [f"${{{{ github.event.pull_request.{end}.sha }}}}" for end in ("base", "head")]


def test_every_test_runs_at_night() -> None:
    """The long forms too, a long simulation, and a sample of mutants."""
    wanted = [["test-all"], ["simulation-crowd", "simulation-long"], ["mutants"]]
    assert [targets("nightly", job) for job in jobs("nightly")] == wanted
    (seeds,) = (step["env"] for _, step in steps("nightly") if step.get("run") == "make simulation-long")
    assert seeds == {"FIRST_SEED": "${{ github.run_number }}00000"}, "every night would run the same seeds"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_target_that_is_called_exists(name: str) -> None:
    """A typo would be found by a release, and not before."""
    called = {step["run"].removeprefix("make ") for _, step in steps(name) if "run" in step}
    assert called <= TARGETS


def test_every_action_is_pinned_by_its_commit() -> None:
    """With the version that it is of, and the same everywhere."""
    lines = [line for path in ROOT.glob(".github/*/**/*.yml") for line in path.read_text().splitlines()]
    used = [line for line in lines if re.search(r"^\s*(- )?uses: (?!\./)", line)]
    assert [line for line in used if PINNED.match(line) is None] == []
    matches = [PINNED.match(line) for line in used]
    pins = {(match["action"], match["commit"]) for match in matches if match}
    assert len({action for action, _ in pins}) == len(pins)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_no_workflow_has_a_key(name: str) -> None:
    """Roles are taken with the token of the run; a secret could only be a key that lives longer."""
    assert "secrets" not in WORKFLOWS[name].read_text()


def test_no_job_saves_or_restores_a_cache() -> None:
    """A job that holds a token would run what any earlier job, of whatever branch, has put into the cache."""
    documents = [yaml.safe_load(path.read_text()) for path in ROOT.glob(".github/**/*.yml")]
    used = [step for document in documents for step in _dictionaries(document) if "uses" in step]
    assert used
    assert [step["uses"] for step in used if re.match(r"actions/cache\b", step["uses"])] == []
    assert [(step["uses"], name) for step in used for name in step.get("with", {}) if "cache" in name] == []


def test_no_action_caches_by_itself() -> None:
    """Setting up a language does, for one. A new action is added to this list after a review."""
    lines = [line for path in ROOT.glob(".github/**/*.yml") for line in path.read_text().splitlines()]
    assert {match["action"] for match in map(PINNED.match, lines) if match} == WITHOUT_A_CACHE


def _dictionaries(document: object) -> Iterator[dict[str, Any]]:
    """Every mapping in a document, at whatever depth."""
    if isinstance(document, dict):
        yield document
    for value in document.values() if isinstance(document, dict) else document if isinstance(document, list) else ():
        yield from _dictionaries(value)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_every_workflow_has_minimal_permissions(name: str) -> None:
    """None for the workflow, or reading; a token for those alone who sign in to AWS, or call who does."""
    assert workflow(name)["permissions"] in ({}, {"contents": "read"})
    for job in jobs(name).values():
        signs_in = any("configure-aws-credentials" in step.get("uses", "") for step in job.get("steps", []))
        permissions = job.get("permissions", {})
        assert ("id-token" in permissions) == (signs_in or "uses" in job)
        writable = {scope for scope, right in permissions.items() if right == "write"}
        comments = any("github-script" in step.get("uses", "") for step in job.get("steps", []))
        assert writable - {"id-token"} == ({"pull-requests"} if comments else set())


@pytest.mark.parametrize("name", WORKFLOWS)
def test_only_approved_jobs_change_an_account(name: str) -> None:
    """A job that takes the role of applies is in an environment of GitHub's, which asks for an approval."""
    for job in jobs(name).values():
        roles = [step.get("with", {}).get("role-to-assume", "") for step in job.get("steps", [])]
        assert any("apply-role" in role for role in roles) == ("environment" in job)


def test_a_newer_promotion_replaces_a_pending_one_and_cancels_no_apply() -> None:
    """All commits wait in one line for a stack; who is older comes to the check with all of main's history."""
    for name, job in (("deploy", "apply"), ("rollback", "rollback")):
        line = jobs(name)[job]["concurrency"]
        assert line == {"group": "apply-${{ inputs.environment }}-${{ inputs.cell || inputs.subscriber || 'hub' }}"}
    for job in ("plan", "apply"):
        sources = [step["with"] for of, step in steps("deploy") if of == job and "ref" in step.get("with", {})]
        assert [(each["ref"], each["fetch-depth"]) for each in sources] == [("${{ inputs.commit }}", 0)]


def test_code_of_a_commit_runs_only_after_its_release_is_verified() -> None:
    """The caller's own code looks at the signature; the sources of the release are taken after that."""
    plan = [step for job, step in steps("deploy") if job == "plan"]
    checkouts = [number for number, step in enumerate(plan) if "actions/checkout" in step.get("uses", "")]
    verify = next(number for number, step in enumerate(plan) if step.get("run") == "make verify")
    assert ["ref" in plan[number]["with"] for number in checkouts] == [False, True]
    assert checkouts[0] < verify < checkouts[1]


def test_the_approved_plan_is_applied() -> None:
    """The file of the job before, by its fingerprint."""
    assert needs("deploy", "apply") == {"plan"}
    (apply,) = (step for _, step in steps("deploy") if step.get("run") == "make apply")
    assert apply["env"]["PLAN"] == "${{ needs.plan.outputs.plan }}"
    names = [step["with"]["name"] for _, step in steps("deploy") if "artifact" in step.get("uses", "")]
    assert len(names) == 2
    assert len(set(names)) == 1


def test_a_digest_goes_from_dev_to_staging_to_production() -> None:
    """The next environment waits for the one before. Cells come before their hub: they must read what it writes."""
    assert {job: needs("promote", job) for job in jobs("promote")} == {
        "dev-cells": set(),
        "dev": {"dev-cells"},
        "dev-subscribers": {"dev"},
        "staging-cells": {"dev-subscribers"},
        "staging": {"staging-cells"},
        "staging-subscribers": {"staging"},
        "production-cells": {"staging-subscribers"},
        "production": {"production-cells"},
        "production-subscribers": {"production"},
    }
    assert [job["with"].get("kind") for job in jobs("promote").values()] == ["cell", None, "subscriber"] * 3
    assert {job["with"]["commit"] for job in jobs("promote").values()} == {"${{ inputs.commit }}"}
    assert [job["with"]["environment"] for job in jobs("promote").values()] == [
        job.removesuffix("-subscribers").removesuffix("-cells") for job in jobs("promote")
    ]


def test_exception_inputs_reach_the_commands() -> None:
    """A release after a rewrite of main, and one that destroys a queue on purpose, have a workflow, too."""
    called = [job for name in ("promote", "waves") for job in jobs(name).values() if "uses" in job]
    assert {job["with"].get("replaces") for job in called} == {"${{ inputs.replaces }}"}
    hubs = [job for job in jobs("promote").values() if job["uses"].endswith("deploy.yml")]
    assert {job["with"].get("allow-destroy") for job in hubs} == {"${{ inputs.allow-destroy }}"}
    assert workflow("deploy")["env"]["REPLACES"] == "${{ inputs.replaces }}"
    (plan,) = (step for _, step in steps("deploy") if step.get("run") == "make plan")
    (rollback,) = (step for _, step in steps("rollback") if step.get("run") == "make rollback")
    assert plan["env"]["ALLOW_DESTROY"] == rollback["env"]["ALLOW_DESTROY"] == "${{ inputs.allow-destroy }}"


def test_a_rollback_and_a_drift_check_use_the_last_applied_sources() -> None:
    """Older ones would destroy what they do not know; a promotion that failed has applied its own."""
    for name, command in (("rollback", "make rollback"), ("drift", "make drift")):
        refs = [step["with"]["ref"] for _, step in steps(name) if "ref" in step.get("with", {})]
        assert refs == ["${{ steps.current.outputs.sources }}"]
        assert [step["run"] for _, step in steps(name) if "run" in step][-1] == command


def test_a_failed_canary_stops_the_waves() -> None:
    """Each wave is of the map that Terraform uses, waits for the one before, and ends with its first failure."""
    assert [needs("waves", job) for job in ("canary", "early", "rest")] == [
        {"waves"},
        {"waves", "canary"},
        {"waves", "early"},
    ]
    for wave in ("canary", "early", "rest"):
        job = jobs("waves")[wave]
        assert job["strategy"]["fail-fast"] is True
        assert job["strategy"]["matrix"] == {"name": f"${{{{ fromJSON(needs.waves.outputs.{wave}) }}}}"}
        assert f"needs.waves.outputs.{wave} != '[]'" in job["if"]
        assert "always()" not in job["if"], "a failure before it skips it"
        named = {kind: f"${{{{ inputs.kind == '{kind}' && matrix.name || '' }}}}" for kind in ("cell", "subscriber")}
        assert {kind: job["with"][kind] for kind in named} == named
    assert {step["env"].get("KIND") for _, step in steps("waves") if "env" in step} == {"${{ inputs.kind }}"}


def rolled_out(failing: set[str], planned: dict[str, list[str]]) -> list[str]:
    """Return the stacks that the workflow reaches; a job after one that failed is skipped, and so is an empty one."""
    failed: set[str] = set()
    reached = []
    for name in jobs("waves"):
        if failed & needs("waves", name):
            failed.add(name)
        elif planned.get(name):
            reached += planned[name]
            if not failing.isdisjoint(planned[name]):
                failed.add(name)
    return reached


@pytest.mark.parametrize(
    ("failing", "reached"),
    [
        (set(), ["a", "b", "c", "d", "e", "f"]),
        ({"a"}, ["a"]),
        ({"c"}, ["a", "b", "c"]),
        ({"f"}, ["a", "b", "c", "d", "e", "f"]),
    ],
)
def test_accounts_after_a_failed_wave_are_not_reached(failing: set[str], reached: list[str]) -> None:
    """A dry run of the workflow's own order, with the waves that the command makes."""
    subscribers = [Subscriber(name, f"{number:012d}", (number,)) for number, name in enumerate("abcdef")]
    order = [[subscriber.name for subscriber in wave] for wave in waves(subscribers)]
    assert rolled_out(failing, dict(zip(("canary", "early", "rest"), order, strict=True))) == reached


def may_be_skipped(name: str, job: str) -> bool:
    """Tell whether a job, one before it or one of the workflow that it calls has a condition."""
    content = jobs(name)[job]
    called = re.fullmatch(r"\./\.github/workflows/(\w+)\.yml", content.get("uses", ""))
    return (
        "if" in content
        or any(may_be_skipped(name, before) for before in needs(name, job))
        or (called is not None and any(may_be_skipped(called[1], each) for each in jobs(called[1])))
    )


CONTINUING = [
    (name, job)
    for name in WORKFLOWS
    for job in jobs(name)
    if any(may_be_skipped(name, before) and "uses" in jobs(name)[before] for before in needs(name, job))
]


@pytest.mark.parametrize(("name", "job"), CONTINUING)
def test_a_job_continues_after_a_workflow_that_was_skipped_in_part(name: str, job: str) -> None:
    """GitHub skips a job without such a condition if one before it was skipped: dev, after no cells of dev.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#jobsjob_idneeds
    """
    condition = jobs(name)[job]["if"]
    assert condition.startswith("${{ !cancelled() && ")
    assert "||" not in condition
    called = {before for before in needs(name, job) if "uses" in jobs(name)[before]}
    assert {f"needs.{before}.result == 'success'" for before in called} <= {*re.split(r" && | }}", condition)}


def test_every_job_of_a_promotion_but_the_first_continues() -> None:
    """The two workflows in which jobs need called workflows, and no other."""
    promoted = [("promote", job) for job in jobs("promote") if job != "dev-cells"]
    assert [*promoted, ("waves", "early"), ("waves", "rest")] == CONTINUING


def targets(name: str, job: str) -> list[str]:
    """Return what a job makes, in its order."""
    return [step["run"].removeprefix("make ") for each, step in steps(name) if each == job and "run" in step]


@pytest.mark.parametrize("name", ["deploy", "rollback", "drift", "pull_request"])
def test_every_step_about_a_subscriber_may_be_about_a_cell(name: str) -> None:
    """A step that knows the subscriber alone would be about the hub instead."""
    given = [step["env"] for _, step in steps(name) if "env" in step]
    given += [job["env"] for job in jobs(name).values() if "env" in job]
    about = [env for env in given if "SUBSCRIBER" in env or "CELL" in env]
    assert about
    for env in about:
        assert env["CELL"] == env["SUBSCRIBER"].replace("subscriber", "cell")
    conditions = [step["if"] for _, step in steps(name) if "subscriber" in step.get("if", "")]
    assert all(re.search(r"(\w+)\.cell \|\| \1\.subscriber", condition) for condition in conditions)


def test_a_plan_that_could_not_be_made_is_not_applied() -> None:
    """A cell that the hub does not know yet has none, and its promotion continues with the hub."""
    assert jobs("deploy")["apply"]["if"] == "needs.plan.outputs.plan"


def test_another_account_is_deployed_with_the_hubs_outputs_and_rolled_back_if_unhealthy() -> None:
    """`tests/e2e/test_release.py` gives the same commands; each job is on a machine of its own."""
    assert targets("deploy", "plan") == ["context", "verify", "cell", "context", "plan"]
    assert targets("deploy", "apply") == ["context", "context", "apply", "cell", "health", "rollback"]
    (rollback,) = (step for _, step in steps("deploy") if step.get("run") == "make rollback")
    assert rollback["if"] == "failure() && steps.health.outcome == 'failure'"
    (health,) = (step for _, step in steps("deploy") if step.get("run") == "make health")
    assert "if" not in health  # the hub's, too


@pytest.mark.parametrize(("name", "job"), [("drift", "drift"), ("pull_request", "plan")])
def test_all_stacks_are_checked_for_drift(name: str, job: str) -> None:
    """The running release is asked for before the hub is: where nothing runs yet, the hub may know nothing to say."""
    assert needs(name, job) == {"stacks"}
    assert jobs(name)[job]["strategy"]["matrix"] == {"include": "${{ fromJSON(needs.stacks.outputs.stacks) }}"}
    assert targets(name, "stacks") == ["stacks"]
    assert targets(name, job) == ["context", "current", "context", "cell", job]
    for _, step in steps(name):
        if step.get("run") == "make cell" or "Sign in to the hub" in step.get("name", ""):
            assert step["if"] == "(matrix.cell || matrix.subscriber) && steps.current.outputs.commit"


def test_an_image_is_signed_before_it_is_released_and_verified_before_it_is_planned() -> None:
    """In this order, and nothing else makes a manifest or a plan of a release."""
    assert [step["run"] for _, step in steps("release") if step.get("run", "").startswith("make ")][-3:] == [
        "make release-image",
        "make sign",
        "make manifest",
    ]
    planned = [step["run"] for job, step in steps("deploy") if job == "plan" and "run" in step]
    assert planned.index("make verify") < planned.index("make plan")


def test_a_fork_gets_no_token() -> None:
    """Its pull request is checked and tested, and not planned."""
    condition = jobs("pull_request")["plan"]["if"]
    assert "github.event.pull_request.head.repo.full_name == github.repository" in condition


def test_the_workflows_are_documented() -> None:
    """Each is named where one looks for it."""
    readme = (ROOT / "README.md").read_text()
    assert [name for name in WORKFLOWS if f"`{name}`" not in readme] == []
