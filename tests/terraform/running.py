"""Terraform, run on a copy of the sources."""

import os
import shutil
import subprocess
from pathlib import Path

from tools.toolchain.provider import find_provider
from tools.toolchain.terraform import find_terraform, terraform_environment

SOURCE = Path(__file__).parents[2] / "terraform"


def copied(folder: Path) -> Path:
    """Copy the sources: Terraform leaves its files beside them."""
    return Path(shutil.copytree(SOURCE, folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*")))


def terraform(folder: Path, *arguments: str) -> str:
    """Run Terraform in a folder; return what it printed, once it has succeeded."""
    run = subprocess.run(
        [find_terraform(), *arguments],
        cwd=folder,
        env=terraform_environment(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, f"terraform {' '.join(arguments)} in {folder.name}:\n{run.stdout}"
    return run.stdout


def initialise(root: Path) -> None:
    """Install the provider, and leave the backend alone."""
    provider = find_provider(SOURCE / "stacks" / "hub")
    terraform(root, "init", "-no-color", "-input=false", "-backend=false", f"-plugin-dir={provider.folder}")


def passed_runs(root: Path) -> list[str]:
    """Run the tests of a module or stack with its mocked provider; return the names of the runs, which all passed."""
    report = terraform(root, "test", "-no-color")
    names = [line.split('"')[1] for line in report.splitlines() if line.startswith("  run ") and line.endswith("pass")]
    assert f"Success! {len(names)} passed, 0 failed." in report, report
    return names
