"""Terraform, run on links to the sources."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.terraform.quotas import PlannedResource
from tools.toolchain.links import link_sources
from tools.toolchain.provider import LOCK, find_provider
from tools.toolchain.terraform import find_terraform, terraform_environment

SOURCE = Path(__file__).parents[2] / "terraform"


def linked(folder: Path) -> Path:
    """Make a folder of links to the sources: Terraform leaves its files beside them."""
    link_sources(SOURCE, folder)
    return folder


@dataclass(frozen=True)
class LinkedTerraform:
    """The program, and the variable that leads it to a running provider, if it is not to start one itself.

    It starts one for each `run` of a test, which takes four fifths of the time.
    """

    provider: Mapping[str, str] = field(default_factory=dict)

    def run(self, folder: Path, *arguments: str) -> str:
        """Run Terraform in a folder; return its output, once it has succeeded."""
        run = subprocess.run(
            [find_terraform(), *arguments],
            cwd=folder,
            env={**terraform_environment(os.environ), **self.provider},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == 0, f"terraform {' '.join(arguments)} in {folder.name}:\n{run.stdout}"
        return run.stdout

    def initialise(self, root: Path) -> None:
        """Install the modules, and the provider unless one runs, which the lock must name; leave the backend alone."""
        provider = find_provider(SOURCE / "stacks" / "hub")
        if root.parent.name == "stacks":
            shutil.copy(SOURCE / "stacks" / root.name / LOCK, root)
        self.run(root, "init", "-no-color", "-input=false", "-backend=false", f"-plugin-dir={provider.folder}")

    def passed_runs(self, root: Path) -> list[str]:
        """Run the tests of a module or stack with its mocked provider; return the names of the runs, which all passed.

        The mock asks the provider for nothing but its schema and its validation, so that one process serves them all.
        """
        report = self.run(root, "test", "-no-color")
        lines = [line for line in report.splitlines() if line.startswith("  run ") and line.endswith("pass")]
        names = [line.split('"')[1] for line in lines]
        assert f"Success! {len(names)} passed, 0 failed." in report, report
        return names

    def planned_runs(self, root: Path, tests: str) -> dict[str, list[PlannedResource]]:
        """Run one file of a stack's tests likewise; return what each run, all of which passed, has planned."""
        report = self.run(root, "test", f"-filter=tests/{tests}", "-json", "-verbose")
        messages = [json.loads(line) for line in report.splitlines()]
        planned: dict[str, list[PlannedResource]] = {}
        for message in messages:
            if (run := message.get("test_run")) and run["progress"] == "complete":
                assert run["status"] == "pass", message
                planned.setdefault(run["run"], [])
            elif message["type"] == "test_plan":
                planned[message["@testrun"]] = [
                    PlannedResource(change["address"], change["type"], change["change"]["after"])
                    for change in message["test_plan"].get("resource_changes", [])
                    if change["mode"] == "managed" and change["change"]["after"] is not None
                ]
        return planned
