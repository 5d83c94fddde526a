"""Terraform's own checks: format, validity, and `terraform test` of every module and stack, with a mocked provider."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.toolchain.provider import find_provider
from tools.toolchain.terraform import find_terraform, terraform_environment

SOURCE = Path(__file__).parents[2] / "terraform"
ROOTS = sorted(str(path.parent.relative_to(SOURCE)) for path in SOURCE.glob("*/*/versions.tf"))
BACKENDS = sorted(SOURCE.glob("environments/*/backend.tf"))
STACKS = sorted(path.parent.name for path in SOURCE.glob("stacks/*/versions.tf"))
EXAMPLES = sorted(
    (path.parent.name, stack)
    for stack in STACKS
    for path in SOURCE.glob(f"environments/*/{stack}.tfvars")
    if path.with_suffix(".tfbackend").exists()
)
GIVEN_BY_THE_RELEASE = """
package = {
  image = {
    repository_url = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
    digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }
}
"""
GIVEN_BY_THE_HUB = """
cell = {
  prefix                = "loudhailer-dev"
  environment           = "dev"
  region                = "eu-central-1"
  account_id            = "555555555555"
  role = {
    arn         = "arn:aws:iam::222222222222:role/loudhailer-dev-subscriber-blue"
    external_id = "blue-1"
  }
  shards = {
    shard-6 = {
      url = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-shard-6"
      arn = "arn:aws:sqs:eu-central-1:222222222222:loudhailer-dev-shard-6"
    }
  }
  outcome_queue_url     = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-outcome"
  dead_letter_queue_url = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-dead-letter"
  lane_posts_per_second = 612
  concurrency           = 2
  timeout               = 10
}
"""


def terraform(folder: Path, *arguments: str) -> str:
    """Runs Terraform in a folder; what it printed, once it has succeeded."""
    environment = terraform_environment(os.environ)
    run = subprocess.run(
        [find_terraform(), *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"terraform {' '.join(arguments)} in {folder.name}:\n{run.stdout}"
    return run.stdout


def initialise(root: Path) -> None:
    """Installs the provider, and leaves the backend alone."""
    provider = find_provider(SOURCE / "stacks" / "hub")
    terraform(root, "init", "-no-color", "-input=false", "-backend=false", f"-plugin-dir={provider.folder}")


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources: Terraform leaves its files beside them."""
    copy = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    return copy


def test_sources_are_formatted() -> None:
    """`terraform fmt` has nothing to change."""
    assert terraform(SOURCE, "fmt", "-check", "-recursive") == ""


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_is_valid_with_the_backend_of_every_environment(tree: Path, stack: str) -> None:
    """The working directory of an environment is valid, and its provider is the locked one."""
    root = tree / "stacks" / stack
    lock = (root / ".terraform.lock.hcl").read_text()
    initialise(root)
    for backend in BACKENDS:
        shutil.copy(backend, root)
        assert "Success!" in terraform(root, "validate", "-no-color")
    (root / "backend.tf").unlink()
    assert (root / ".terraform.lock.hcl").read_text() == lock


@pytest.mark.parametrize("root", ROOTS)
def test_every_module_and_stack_keeps_its_promises(tree: Path, root: str) -> None:
    """Its runs pass: legal values make what is meant, illegal ones are refused."""
    initialise(tree / root)
    report = terraform(tree / root, "test", "-no-color")
    assert "Success!" in report, report
    assert "Success! 0 passed" not in report, f"{root} has no tests"


@pytest.mark.parametrize(("environment", "stack"), EXAMPLES)
def test_the_values_of_every_environment_can_be_planned(tree: Path, environment: str, stack: str) -> None:
    """What is committed goes through all validations, with the mocked provider of the stack's own tests."""
    root = tree / "stacks" / stack
    mocks, _, _ = (root / "tests" / f"{stack}.tftest.hcl").read_text().partition("\nvariables {")
    (root / "tests" / "example.tftest.hcl").write_text(
        mocks + '\nrun "the_example_is_planned" {\n  command = plan\n}\n'
    )
    values = [f"-var-file={tree}/environments/{environment}/{stack}.tfvars"]
    if stack == "hub":
        values.append(f"-var-file={tree}/environments/{environment}/subscribers.tfvars.json")
    given = {"hub": GIVEN_BY_THE_RELEASE, "subscriber": GIVEN_BY_THE_RELEASE + GIVEN_BY_THE_HUB}
    if stack in given:
        rest = tree / "given.tfvars"
        rest.write_text(given[stack])
        values.append(f"-var-file={rest}")
    initialise(root)
    report = terraform(root, "test", "-no-color", "-filter=tests/example.tftest.hcl", *values)
    (root / "tests" / "example.tftest.hcl").unlink()
    assert "Success! 1 passed" in report, report


def test_every_account_may_pull_the_image() -> None:
    """An account that the registry's map forgets is found here, and not by its first release."""
    settings = SOURCE / "environments"
    deployed = {
        account for stack in STACKS for path in settings.glob(f"*/{stack}.tfvars") for account in own_accounts(path)
    } | {
        subscriber["account_id"]
        for path in settings.glob("*/subscribers.tfvars.json")
        for subscriber in json.loads(path.read_text())["subscribers"].values()
    }
    local = own_accounts(settings / "local" / "hub.tfvars")
    (keeper,) = (path for path in settings.glob("*/registry.tfvars") if "\naccounts " in path.read_text())
    _, _, pulling = keeper.read_text().partition("\naccounts ")
    assert deployed - local == set(re.findall(r'account_id += "(\d+)"', pulling))


def own_accounts(values: Path) -> set[str]:
    """The account that a file of values is for."""
    return set(re.findall(r'^account_id += "(\d+)"', values.read_text(), re.MULTILINE))


def test_every_role_of_a_deployment_has_the_boundary() -> None:
    """CI cannot make a role without it, as only an apply in AWS would tell."""
    for path in SOURCE.glob("*/*/*.tf"):
        roles = re.findall(r'^resource "aws_iam_role" "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL)
        unbounded = [name for name, block in roles if "  permissions_boundary " not in block]
        assert unbounded == [] or path.parent.name == "github_role", path
