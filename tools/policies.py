"""`python -m tools.policies`: let checkov judge every IAM policy as Terraform plans it.

checkov reads sources too, but does not work out their expressions: it passes over a policy that it cannot read, without
a word. So each stack is planned, with the mocked provider of its tests, and checkov gets the policies of the plan.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.console import Terminal
from tools.errors import OperatorError
from tools.toolchain.links import link_sources
from tools.toolchain.provider import LOCK, find_provider, running_provider
from tools.toolchain.terraform import find_terraform, terraform_environment

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "terraform"
STACKS = ("cell", "hub", "registry", "subscriber")

RUN = "the_stack_with_all_its_roles"
"""The run in each stack's tests that plans whatever has a policy."""

CHECKS = frozenset({"CKV_AWS_286", "CKV_AWS_287", "CKV_AWS_288", "CKV_AWS_289", "CKV_AWS_290", "CKV_AWS_355"})
"""The checks that read a policy's statements. checkov gives no result of them where it could not read any."""

_KEY = re.compile(r'\["[^"]*"\]|\[\d+\]')
_RESOURCE = re.compile(
    r'^resource "(?P<type>aws_iam_(?:role_)?policy)" "(?P<name>\w+)" \{\n(?P<block>.*?)^\}', re.MULTILINE | re.DOTALL
)
_EXCEPTION = re.compile(r"^ *#checkov:skip=(\w+):\S", re.MULTILINE)


@dataclass(frozen=True)
class Declared:
    """A policy in the sources.

    Attributes:
        name: its file's folder, its type and its name.
        exceptions: the checks that it need not pass; the reasons are given beside them.
    """

    name: str
    exceptions: frozenset[str]


@dataclass(frozen=True)
class PlannedPolicy:
    """A policy in a plan.

    Attributes:
        address: the stack, and Terraform's address in it.
        source: the name of the resource that declares it.
        resource: the policy as `terraform show -json` would have it.
    """

    address: str
    source: str
    resource: dict[str, Any]


def declared(sources: Path = SOURCES) -> list[Declared]:
    """Every policy in the sources of modules and stacks."""
    return [
        Declared(f"{path.parent.name}.{found['type']}.{found['name']}", frozenset(_EXCEPTION.findall(found["block"])))
        for path in sorted(sources.glob("*/*/*.tf"))
        for found in _RESOURCE.finditer(path.read_text())
    ]


def planned(stack: Path, provider: Mapping[str, str]) -> Iterator[PlannedPolicy]:
    """Every policy that the run of the stack's tests plans; Terraform leaves its files in the stack's folder.

    Terraform finds a running provider by the variable that is given; it would start one for each run.
    """
    tests = stack / "tests" / f"{stack.name}.tftest.hcl"
    variables, _, _ = tests.read_text().partition("\nrun ")
    run = re.search(rf'^run "{RUN}" \{{\n.*?^\}}', tests.read_text(), re.MULTILINE | re.DOTALL)
    if run is None:
        raise OperatorError(f"The tests of the stack {stack.name} have no run {RUN}.")
    tests.unlink()  # the link, in place of which comes a file with this run alone
    tests.write_text(f"{variables}\n{run[0]}\n")
    _initialise(stack, provider)
    for line in _terraform(stack, provider, "test", "-json", "-verbose").splitlines():
        message = json.loads(line)
        if message["type"] == "test_plan":
            for change in message["test_plan"]["resource_changes"]:
                if change["type"] in {"aws_iam_policy", "aws_iam_role_policy"}:
                    yield _of_plan(stack, change)


def problems(policies: Sequence[PlannedPolicy], sources: Sequence[Declared], report: dict[str, Any]) -> list[str]:
    """Say which policies fail a check, were not looked at by one, or are in no plan, one sentence each."""
    results = report["results"]
    failed = {(found["resource"], found["check_id"]): found["check_name"] for found in results["failed_checks"]}
    judged = failed.keys() | {(found["resource"], found["check_id"]) for found in results["passed_checks"]}
    exceptions = {source.name: source.exceptions for source in sources}
    return [
        *(
            f"{source} is in no plan. Let the run {RUN} of a stack's tests plan it."
            for source in sorted(exceptions.keys() - {policy.source for policy in policies})
        ),
        *(
            f"checkov has no result of {check} for {policy.address}: it could not read the policy."
            for policy in policies
            for check in sorted(CHECKS)
            if (policy.address, check) not in judged
        ),
        *(
            f"{policy.address} fails {check}: {name}."
            for policy in policies
            for (address, check), name in failed.items()
            if address == policy.address and check not in exceptions[policy.source]
        ),
    ]


def checked(policies: Sequence[PlannedPolicy], folder: Path) -> dict[str, Any]:
    """The report of checkov on a plan with these policies and nothing else."""
    resources = [policy.resource | {"address": policy.address} for policy in policies]
    plan = folder / "plan.json"
    content = {"planned_values": {"root_module": {"resources": resources}}, "configuration": {"root_module": {}}}
    plan.write_text(
        json.dumps({"format_version": "1.2", "terraform_version": "1.11.4", "resource_changes": []} | content)
    )
    uv = ["tools/bootstrap", "uv", "run", "--frozen", "--quiet", "--python", ".venv/bin/python"]
    program = [*uv, "--project", "tools/checkov", "checkov"]
    choice = ["--framework", "terraform_plan", "--file", str(plan), "--skip-download", "--output", "json"]
    done = subprocess.run(
        [*program, *choice, "--soft-fail"],
        cwd=ROOT,
        env=os.environ | {"LOG_LEVEL": "ERROR"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    report = json.loads(done.stdout) if done.returncode == 0 else {}
    if "results" not in report:
        raise OperatorError(f"checkov did not check the plan: {done.stdout.strip() or 'it printed nothing'}.")
    return dict(report)


def main() -> int:
    """Check all stacks; the exit code."""
    terminal = Terminal()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "terraform"
        link_sources(SOURCES, folder)
        try:
            stacks = [folder / "stacks" / stack for stack in STACKS]
            _initialise(stacks[0], {})
            with running_provider(stacks[0]) as provider:
                policies = [policy for stack in stacks for policy in planned(stack, provider)]
            found = problems(policies, declared(), checked(policies, folder))
        except OperatorError as error:
            terminal.fail(error)
            return 1
    for problem in found:
        terminal.fail(OperatorError(problem))
    if not found:
        terminal.say(f"checkov has read the {len(policies)} policies that Terraform plans, and finds no fault.")
    return 1 if found else 0


def _of_plan(stack: Path, change: dict[str, Any]) -> PlannedPolicy:
    resource = {name: change[name] for name in ("mode", "type", "name", "provider_name")}
    return PlannedPolicy(
        f"{stack.name}.{change['address']}",
        _source(stack, _KEY.sub("", change["address"]).split(".")),
        resource | {"values": change["change"]["after"]},
    )


def _source(folder: Path, address: list[str]) -> str:
    """Return the name of the resource's declaration: its modules are followed from a stack's folder on."""
    match address:
        case ["module", name, *rest]:
            calls = "\n".join(path.read_text() for path in folder.glob("*.tf"))
            call = re.search(rf'^module "{name}" \{{\n.*?^ +source += "([^"]+)"', calls, re.MULTILINE | re.DOTALL)
            if call is None:
                raise OperatorError(f"{folder.name} has no module {name} in its sources.")
            return _source((folder / call[1]).resolve(), rest)
        case _:
            return ".".join([folder.name, *address])


def _initialise(stack: Path, provider: Mapping[str, str]) -> None:
    """Install the stack's modules, and the provider unless one runs, which the lock must name."""
    found = find_provider(SOURCES / "stacks" / stack.name)
    shutil.copy(found.lock, stack / LOCK)
    _terraform(stack, provider, "init", "-input=false", "-backend=false", f"-plugin-dir={found.folder}")


def _terraform(folder: Path, provider: Mapping[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [find_terraform(), *arguments, "-no-color"],
        cwd=folder,
        env={**terraform_environment(os.environ), **provider},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(
            f"`terraform {arguments[0]}` does not work in the stack {folder.name}:\n{done.stdout[-4000:]}"
        )
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
