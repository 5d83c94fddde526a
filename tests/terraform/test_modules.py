"""Terraform's own checks: format, validity, and `terraform test` of every module and stack, with a mocked provider."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.stack.terraform import terraform_environment

SOURCE = Path(__file__).parents[2] / "terraform"
ROOTS = sorted(str(path.parent.relative_to(SOURCE)) for path in SOURCE.glob("*/*/versions.tf"))
BACKENDS = sorted(SOURCE.glob("environments/*/backend.tf"))


def terraform(folder: Path, *arguments: str) -> str:
    """Runs Terraform in a folder; what it printed, once it has succeeded."""
    environment = terraform_environment(os.environ)
    run = subprocess.run(
        ["terraform", *arguments],
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
    """Fetches the provider, from the mirror if there is one, and leaves the backend alone."""
    mirror = os.environ.get("TF_PLUGIN_DIR")
    terraform(
        root, "init", "-no-color", "-input=false", "-backend=false", *([f"-plugin-dir={mirror}"] if mirror else [])
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the sources: Terraform leaves its files beside them."""
    copy = tmp_path_factory.mktemp("terraform") / "terraform"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
    return copy


def test_sources_are_formatted() -> None:
    """`terraform fmt` has nothing to change."""
    assert terraform(SOURCE, "fmt", "-check", "-recursive") == ""


def test_the_hub_is_valid_with_the_backend_of_every_environment(tree: Path) -> None:
    """The working directory of an environment is valid, and its provider is the locked one."""
    hub = tree / "stacks" / "hub"
    lock = (hub / ".terraform.lock.hcl").read_text()
    initialise(hub)
    for backend in BACKENDS:
        shutil.copy(backend, hub)
        assert "Success!" in terraform(hub, "validate", "-no-color")
    (hub / "backend.tf").unlink()
    assert (hub / ".terraform.lock.hcl").read_text() == lock


@pytest.mark.parametrize("root", ROOTS)
def test_every_module_and_stack_keeps_its_promises(tree: Path, root: str) -> None:
    """Its runs pass: legal values make what is meant, illegal ones are refused."""
    if root == "stacks/hub":
        # The example's values go through the hub's validations, too.
        shutil.copy(tree / "environments" / "dev" / "hub.tfvars", tree / root / "dev.auto.tfvars")
    initialise(tree / root)
    report = terraform(tree / root, "test", "-no-color")
    assert "Success!" in report, report
    assert "Success! 0 passed" not in report, f"{root} has no tests"
