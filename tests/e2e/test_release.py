"""A dry run of the pipeline on a local stack: images by digest, promoted, taken back, rolled back."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.scene import Scene
from tests.e2e.system import System, loudhailer
from tools.console import Terminal
from tools.operations.deployment import Deployment
from tools.release.traffic import Traffic
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import Ports, Stack
from tools.stack.local_aws import local_endpoint
from tools.stack.package import package_bytes
from tools.stack.project import Project
from tools.stack.state import Applied, Fingerprint, StackState, save_state

ROOT = Path(__file__).parents[2]
BUCKET = "loudhailer-local-111111111111"
REPOSITORY = "111111111111.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
CROWD = 10
QUICKLY = ("--weights", "0.5", "--watch", "0")
FAILING = "\n\ndef handler(event: object, context: object) -> object:\n    raise RuntimeError\n"


@dataclass
class Pipeline:
    """What CI has: a registry, a bucket, and the commands; and what it deploys to."""

    stack: Stack
    state: StackState
    code: Project
    commits: Iterator[str] = field(default_factory=lambda: (f"{number:040x}" for number in range(1, 100)))

    def client(self, service: str) -> Any:
        """A client of the local AWS."""
        return Deployment(local_endpoint(self.state.aws_port), {}).client(service)

    def build(self, *, change: str = "", of: str = "functions/swarm/swarm.py") -> str:
        """Build and push the image of the code, with a change if one is given; its digest."""
        source = self.code.root / of
        before = source.read_text()
        source.write_text(before + change)
        layer = package_bytes(self.code)
        source.write_text(before)
        manifest = json.dumps({"schemaVersion": 2, "layers": [{"digest": hashlib.sha256(layer).hexdigest()}]})
        pushed = self.client("ecr").put_image(repositoryName="loudhailer", imageManifest=manifest)
        digest = str(pushed["image"]["imageId"]["imageDigest"])
        folder = self.stack.directory.aws_state / "images" / digest.removeprefix("sha256:")
        with zipfile.ZipFile(io.BytesIO(layer)) as archive:
            archive.extractall(folder)
        return digest

    def release(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Give one of the commands."""
        directory = self.stack.directory.path
        return loudhailer(directory.parent, directory.name, "release", *arguments)

    def done(self, *arguments: str) -> str:
        """Give one of the commands, which must succeed; what it says."""
        command = self.release(*arguments)
        assert command.returncode == 0, command.stderr
        return command.stdout

    def promote(self, digest: str) -> subprocess.CompletedProcess[str]:
        """Release a digest, plan it and apply that plan."""
        commit = next(self.commits)
        self.done("manifest", "local", "--commit", commit, "--digest", digest)
        planned = self.done("plan", "local", "--commit", commit)
        found = re.search("--plan ([0-9a-f]{64})", planned)
        assert found is not None, planned
        return self.release("apply", "local", "--plan", found[1], *QUICKLY)

    def make(self, command: str, **variables: str) -> str:
        """Run make as README says, which must succeed; what it says."""
        done = subprocess.run(
            command.split(),
            cwd=ROOT,
            env={**os.environ, "LOUDHAILER_STATE_DIR": str(self.stack.directory.path.parent), **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def system(self) -> System:
        """What was deployed, as the other tests know it."""
        outputs = json.loads(
            subprocess.run(
                ["terraform", "output", "-json"],
                cwd=self.stack.directory.path.parent / "release/local/hub/terraform/stacks/hub",
                capture_output=True,
                check=True,
            ).stdout
        )
        applied = Applied(Fingerprint("", "", ""), {name: output["value"] for name, output in outputs.items()})
        state = StackState(**{**vars(self.state), "applied": applied})
        save_state(self.stack.directory.state_file, state)
        return System(self.stack.directory.path.parent, self.stack.directory.path.name, state)

    def running(self) -> set[str]:
        """The digests that all aliases lead to."""
        system = self.system
        traffic = Traffic(system.functions, [*system.deployment.functions.values()])
        digests = traffic.images()
        assert digests.keys() == set(system.deployment.functions.values())
        return set(digests.values())


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """An empty AWS but for the registry and the bucket, and a copy of the code."""
    root = tmp_path_factory.mktemp("pipeline")
    for folder in ("functions", "shared"):
        shutil.copytree(ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    stack = Stack(Project.of_this_code(), StackDirectory(root / "state" / "local"), Terminal())
    with stack.directory.locked(lambda: None):
        stack.directory.create()
        state, _ = stack._start(Ports(), None)
    pipeline = Pipeline(stack, state, Project(root))
    pipeline.client("s3").create_bucket(Bucket=BUCKET)
    pipeline.client("ecr").create_repository(repositoryName="loudhailer")
    try:
        yield pipeline
    finally:
        stack.down()


@pytest.fixture(scope="module")
def first(pipeline: Pipeline) -> str:
    """The digest that was promoted first."""
    digest = pipeline.build()
    promoted = pipeline.promote(digest)
    assert promoted.returncode == 0, promoted.stderr
    return digest


def test_the_digest_that_is_promoted_is_the_one_that_runs(pipeline: Pipeline, first: str) -> None:
    """Every function's alias leads to it, and it is written down."""
    assert pipeline.running() == {first}
    assert first in pipeline.done("history", "local")
    assert "is as it should be" in pipeline.done("drift", "local")


async def test_sockets_stay_open_from_promotion_to_rollback(pipeline: Pipeline, first: str) -> None:
    """A second digest takes over, and one command returns to the first; nobody is disconnected, nothing drifts."""
    async with Scene(pipeline.system) as scene:
        guests = await scene.guests(await scene.session(tenant := scene.tenant()), CROWD)
        second = pipeline.build(change="\n# second\n")
        promoted = pipeline.promote(second)
        assert promoted.returncode == 0, promoted.stderr
        assert pipeline.running() == {second}
        assert first in pipeline.done("rollback", "local")
        assert pipeline.running() == {first}
        await scene.broadcast({"tenantId": tenant}, "still here")
        assert [(await guest.frame())["data"] for guest in guests] == ["still here"] * CROWD
    assert "is as it should be" in pipeline.done("drift", "local")


def test_a_digest_that_fails_is_taken_back_and_rolled_back(pipeline: Pipeline, first: str) -> None:
    """The traffic is back when the command ends; that it has drifted is said until the rollback."""
    failed = pipeline.promote(pipeline.build(change=FAILING, of="functions/publish/handler.py"))
    assert failed.returncode == 1
    assert "not well" in failed.stderr
    assert pipeline.running() == {first}
    assert "gets no traffic" in pipeline.release("drift", "local").stdout
    assert first in pipeline.done("rollback", "local")
    assert "is as it should be" in pipeline.done("drift", "local")


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
    assert first in pipeline.make(rollback)
    assert pipeline.running() == {first}


def test_another_plan_than_the_approved_one_is_not_applied(pipeline: Pipeline, first: str) -> None:
    """The fingerprint is that of the files that were shown."""
    pipeline.done("plan", "local")
    refused = pipeline.release("apply", "local", "--plan", "0" * 64)
    assert refused.returncode == 1
    assert "not the one that was approved" in refused.stderr
    assert pipeline.running() == {first}


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
