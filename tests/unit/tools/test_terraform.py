"""Terraform's JSON lines, its environment, its failures."""

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.tools.conftest import SAMPLES, TerraformStandIn
from tools.errors import OperatorError
from tools.stack.directory import StackDirectory
from tools.stack.project import Project
from tools.stack.terraform import ApplyProgress, Terraform, zip_hash
from tools.toolchain.terraform import terraform_environment

INIT_WITHOUT_NETWORK = """
Error: Failed to query available provider packages

Could not retrieve the list of available versions for provider hashicorp/aws:
could not connect to registry.terraform.io
"""

INIT_OF_ANOTHER_PROVIDER = """
Error: Failed to install provider

Error while installing hashicorp/aws v5.100.0: the local package for
registry.terraform.io/hashicorp/aws 5.100.0 doesn't match any of the
checksums previously recorded in the dependency lock file (this might be
because the available checksums are for packages targeting different
platforms)
"""


def observed(lines: list[str]) -> ApplyProgress:
    """The progress after these lines."""
    progress = ApplyProgress()
    for line in lines:
        progress.observe(line)
    return progress


@pytest.fixture
def runner(project: Project, directory: StackDirectory, terraform: TerraformStandIn) -> Terraform:
    """Terraform, as far as the stand-in goes."""
    assert terraform.calls == []
    directory.create()
    return Terraform(project, directory.hub, terraform_environment(os.environ))


def test_a_real_apply_is_followed_to_its_failure() -> None:
    """Lines that Terraform 1.11.4 printed: two resources, of which one failed."""
    lines = (SAMPLES / "failed_apply.jsonl").read_text().splitlines()
    assert observed(lines[:1]).note == "planning"
    started = observed(lines[:7])
    assert (started.done, started.total) == (0, 2)
    assert started.note == "aws_sqs_queue.q and 1 more"
    ended = observed(lines)
    assert (ended.done, ended.total, ended.note) == (1, 2, "")
    (problem,) = ended.problems
    assert problem.startswith("aws_dynamodb_table.t: creating AWS DynamoDB Table (t)")


def test_reading_a_data_source_is_no_change() -> None:
    """Or the bar would run past its end."""
    hook = {"resource": {"addr": "data.aws_region.current"}, "action": "read"}
    lines = [json.dumps({"type": kind, "hook": hook}) for kind in ("apply_start", "apply_complete")]
    assert observed(lines) == ApplyProgress()


@pytest.mark.parametrize("line", ["", "panic: runtime error", "[]", "null", '{"type": "apply_start"}', '{"hook": 1}'])
def test_other_lines_are_skipped(line: str) -> None:
    """Terraform and its provider also print plain text."""
    assert observed([line]) == ApplyProgress()


def test_warnings_are_no_problems() -> None:
    """Only what ends the apply is reported."""
    line = json.dumps({"type": "diagnostic", "diagnostic": {"severity": "warning", "summary": "deprecated"}})
    assert observed([line]).problems == []


def test_terraform_runs_in_links_to_the_sources_and_keeps_the_provider(runner: Terraform, project: Project) -> None:
    """A file removed from the sources must not be applied for ever, nor what an earlier release has copied."""
    runner.working.root.mkdir(parents=True)
    (runner.working.root / "copied.tf").write_text("# a copy of an earlier release")
    runner.prepare({"one": 1})
    provider = runner.working.root / ".terraform" / "providers"
    provider.mkdir(parents=True, exist_ok=True)
    (project.terraform / "stacks/hub/main.tf").rename(project.terraform / "stacks/hub/hub.tf")
    runner.prepare({"one": 2})
    files = sorted(path.name for path in runner.working.root.iterdir())
    assert files == [
        ".terraform",
        ".terraform.lock.hcl",
        "backend.tf",
        "backend_override.tf",
        "hub.auto.tfvars",
        "hub.tf",
        "run.auto.tfvars.json",
    ]
    assert json.loads((runner.working.root / "run.auto.tfvars.json").read_text()) == {"one": 2}
    assert (runner.working.root / "hub.tf").resolve() == project.terraform / "stacks/hub/hub.tf"
    assert provider.is_dir()


LOCKED = """
provider "registry.terraform.io/hashicorp/aws" {
  version     = "5.100.0"
  constraints = "~> 5.100"
  hashes = [
    "h1:edXOJWE4ORX8Fm+dpVpICzMZJat4AX0VRCAy/xkcOc0=",
    "zh:054b8dd49f0549c9a7cc27d159e45327b7b65cf404da5e5a20da154b90b8a644",
  ]
}
"""


def test_the_provider_is_compared_with_the_lock_once(
    runner: Terraform, terraform: TerraformStandIn, project: Project
) -> None:
    """`init` does it and gets the hashes again each time; the commands after it would read 700 MB each."""
    lock = project.terraform / "stacks/hub/.terraform.lock.hcl"
    lock.write_text(LOCKED)
    copy = runner.working.root / lock.name
    for _ in range(2):
        terraform.fail("init", INIT_WITHOUT_NETWORK)
        with pytest.raises(OperatorError):
            runner.prepare({})
        assert copy.read_text() == LOCKED
        terraform.succeed("init")
        runner.prepare({})
        assert "hashes" not in copy.read_text()
        assert 'version     = "5.100.0"' in copy.read_text()
    assert lock.read_text() == LOCKED


def test_an_unreachable_registry_is_reported_with_the_alternative(
    runner: Terraform, terraform: TerraformStandIn
) -> None:
    """The text of Terraform's own message is long and names no remedy."""
    terraform.fail("init", INIT_WITHOUT_NETWORK)
    with pytest.raises(OperatorError, match="cannot fetch the AWS provider") as caught:
        runner.prepare({})
    assert "TF_PLUGIN_DIR" in caught.value.remedy


def test_a_damaged_provider_is_reported_with_the_remedy(runner: Terraform, terraform: TerraformStandIn) -> None:
    """The network is not at fault."""
    terraform.fail("init", INIT_OF_ANOTHER_PROVIDER)
    with pytest.raises(OperatorError, match="is not the one that the lock names") as caught:
        runner.prepare({})
    assert caught.value.remedy.startswith("Remove ")


def test_a_failed_apply_is_reported_with_its_last_error_and_the_log(
    runner: Terraform, terraform: TerraformStandIn, directory: StackDirectory
) -> None:
    """The operator should not have to read JSON."""
    runner.prepare({})
    terraform.fail("apply", (SAMPLES / "failed_apply.jsonl").read_text())
    seen: list[int] = []
    with pytest.raises(OperatorError, match="length greater than or equal to 3") as caught:
        runner.apply(lambda progress: seen.append(progress.done))
    assert seen[-1] == 1
    assert str(directory.log("terraform")) in caught.value.remedy
    assert "aws_sqs_queue.q" in directory.log("terraform").read_text()


def test_outputs_are_plain_values(runner: Terraform) -> None:
    """Types and sensitivity are of no use here."""
    runner.prepare({})
    assert runner.outputs() == {"http_url": "http://127.0.0.1:1/api", "functions": {}}


def test_a_hash_is_written_as_lambda_writes_it() -> None:
    """Base64 of the digest, not of its hexadecimal form."""
    assert zip_hash("00" * 32) == "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="


def test_stacks_are_initialised_one_at_a_time(runner: Terraform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several `terraform init` must not use one plugin cache at once."""
    lock, run, under_way, most = threading.Lock(), Terraform._run, 0, 0

    def counted(terraform: Terraform, *arguments: str) -> str:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        output = run(terraform, *arguments)
        with lock:
            under_way -= 1
        return output

    runner.link({})
    monkeypatch.setattr(Terraform, "_run", counted)
    with ThreadPoolExecutor(3) as pool:
        [*pool.map(lambda _: runner._initialise(), range(3))]
    assert most == 1
