"""Terraform on one stack of one environment: a plan in a file, then that file applied."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import OperatorError
from tools.release.cloud import Cloud
from tools.release.environment import Environment
from tools.release.manifest import Manifest
from tools.release.plan import PlanSummary
from tools.stack.project import Project
from tools.toolchain.links import link_sources, override_backend
from tools.toolchain.provider import LOCK, find_provider, forget_hashes
from tools.toolchain.terraform import find_terraform, terraform_environment

_CHANGES = 2
"""Exit code with which `terraform plan -detailed-exitcode` ends with when there is something to do."""


@dataclass(frozen=True)
class Workspace:
    """A folder of links to the Terraform sources, and beside it the files of a plan.

    Attributes:
        folder: where both are; what is in its `plan` is all that an apply on another machine needs.
    """

    project: Project
    environment: Environment
    stack: str
    account_id: str
    cloud: Cloud
    folder: Path

    @property
    def plan_folder(self) -> Path:
        """The plan's files."""
        return self.folder / "plan"

    @property
    def plan_file(self) -> Path:
        """The plan, as Terraform wrote it."""
        return self.plan_folder / "release.tfplan"

    @property
    def summary_file(self) -> Path:
        """File that people read before they approve the plan."""
        return self.plan_folder / "summary.md"

    @property
    def manifest_file(self) -> Path:
        """Release of the plan."""
        return self.plan_folder / "manifest.json"

    @property
    def lost_queues_file(self) -> Path:
        """File of the queues that the plan destroys: their names by their URLs."""
        return self.plan_folder / "lost-queues.json"

    def prepare(self) -> None:
        """Bring the links up to date and initialise the stack."""
        root = self._root
        shutil.rmtree(self.folder / "terraform", ignore_errors=True)
        link_sources(self.project.terraform, self.folder / "terraform")
        if self.cloud.backend is not None:
            override_backend(root, "local")
        backend = self.cloud.backend or {
            "bucket": self.environment.state_bucket(self.account_id),
            "key": f"{self.stack}.tfstate",
            "region": self.environment.region,
        }
        provider = find_provider(self.project.terraform / "stacks" / self.stack, self.cloud.environment)
        shutil.copy(provider.lock, root / LOCK)
        self._run(
            "init",
            "-input=false",
            *(f"-backend-config={name}={value}" for name, value in backend.items()),
            f"-plugin-dir={provider.folder}",
        )
        forget_hashes(root / LOCK)

    def plan(self, manifest: Manifest, variables: Mapping[str, Any]) -> PlanSummary:
        """Write the plan's files; return its changes. A plan writes no state, so it needs no lock."""
        self._empty_plan_folder()
        self.manifest_file.write_text(manifest.to_json())
        package = {"image": {"repository_url": manifest.image.repository_url, "digest": manifest.image.digest}}
        values = {**self.cloud.variables, **variables, "package": package}
        release = self.folder / "release.tfvars.json"
        release.write_text(json.dumps(values, indent=2))
        settings = self.project.terraform / "environments" / self.environment.name
        # The last one wins: what the release decides.
        maps = [settings / f"{kind}.tfvars.json" for kind in ("cells", "subscribers") if self.stack == "hub"]
        files = [settings / f"{self.stack}.tfvars", *maps, release]
        self._run(
            *("plan", "-input=false", "-lock=false", "-detailed-exitcode", f"-out={self.plan_file}"),
            *(f"-var-file={path}" for path in files if path.exists()),
            success={0, _CHANGES},
        )
        summary = PlanSummary.of(json.loads(self._run("show", "-json", str(self.plan_file))))
        self.summary_file.write_text(summary.markdown(self.title))
        self.lost_queues_file.write_text(json.dumps(summary.lost_queues))
        return summary

    def plan_nothing(self, reason: str) -> None:
        """Leave no plan, and the reason in the summary."""
        self._empty_plan_folder()
        self.summary_file.write_text(f"### {self.title}\n\nNo plan: {reason}\n")

    @property
    def title(self) -> str:
        """Title of the plan where several are shown."""
        return f"{self.stack} of {self.environment.name}, account {self.account_id}"

    def fingerprint(self) -> str:
        """Return the digest of the plan's files: an approval is for one digest."""
        digest = hashlib.sha256()
        for path in self._fingerprinted:
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @property
    def _fingerprinted(self) -> tuple[Path, ...]:
        """The files that an apply reads."""
        return (self.plan_file, self.manifest_file, self.lost_queues_file)

    def planned(self, fingerprint: str | None) -> Manifest:
        """Return the release of the plan's files; OperatorError without files, or with another fingerprint."""
        if not all(path.exists() for path in self._fingerprinted):
            raise OperatorError(f"There is no plan for {self.title}.", "Make one with `make plan`, and look at it.")
        if fingerprint is not None and fingerprint != self.fingerprint():
            raise OperatorError(
                f"The plan for {self.title} is not the one that was approved.", "Make a new plan, and approve that."
            )
        return Manifest.from_json(self.manifest_file.read_bytes())

    def lost_queues(self) -> dict[str, str]:
        """Names of the queues that the plan destroys, by their URLs."""
        queues: dict[str, str] = json.loads(self.lost_queues_file.read_text())
        return queues

    def apply(self) -> None:
        """Apply the plan's file, and forget it: Terraform would not apply it a second time."""
        try:
            self._run("apply", "-input=false", "-parallelism=50", str(self.plan_file))
        finally:
            self.discard()

    def discard(self, reason: str = "") -> None:
        """Remove the plan, so that it cannot be applied; its summary is kept, with the reason."""
        self.plan_file.unlink(missing_ok=True)
        if reason:
            title, _, changes = self.summary_file.read_text().partition("\n\n")
            self.summary_file.write_text(f"{title}\n\n**Refused.** {reason}\n\n{changes}")

    def outputs(self) -> dict[str, Any]:
        """The outputs of the last apply; empty if nothing is applied."""
        return {name: output["value"] for name, output in json.loads(self._run("output", "-json")).items()}

    def _empty_plan_folder(self) -> None:
        shutil.rmtree(self.plan_folder, ignore_errors=True)
        self.plan_folder.mkdir(parents=True)

    @property
    def _root(self) -> Path:
        root = self.folder / "terraform" / "stacks" / self.stack
        if not (self.project.terraform / "stacks" / self.stack).is_dir():
            known = sorted(path.name for path in (self.project.terraform / "stacks").iterdir() if path.is_dir())
            raise OperatorError(f"There is no stack {self.stack!r}.", f"Choose one of: {', '.join(known)}.")
        return root

    def _run(self, command: str, *arguments: str, success: frozenset[int] | set[int] = frozenset({0})) -> str:
        done = subprocess.run(
            [
                find_terraform(self.cloud.environment),
                command,
                *(["-no-color"] if command != "output" else []),
                *arguments,
            ],
            cwd=self._root,
            env=terraform_environment(self.cloud.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode not in success:
            raise OperatorError(f"terraform {command} failed for {self.title}:\n{done.stderr.strip()}")
        return done.stdout
