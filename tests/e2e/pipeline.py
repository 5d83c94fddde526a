"""Stand-in for CI: a registry, buckets, a checkout of its own, and the commands; and a local stack to deploy to."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.system import System
from tools.console import Terminal
from tools.stack.access import AccountAccess
from tools.stack.directory import StackDirectory
from tools.stack.lifecycle import Ports, Stack
from tools.stack.local_aws import ACCOUNT
from tools.stack.package import package_bytes
from tools.stack.project import Project
from tools.stack.state import Applied, Fingerprint, StackState, save_state
from tools.stack.traffic import Traffic

ROOT = Path(__file__).parents[2]
FAILING = "\n\ndef handler(event: object, context: object) -> object:\n    raise RuntimeError\n"
REPOSITORY = f"{ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/loudhailer"

_BUCKET = f"loudhailer-local-{ACCOUNT}"
_QUICKLY = ("--weights", "0.5", "--watch", "0")
_SOURCES = ("clients", "functions", "shared", "terraform", "tools")
_LOUDHAILER = (sys.executable, "-c", "from tools.cli.main import main; main()")
"""The command of the checkout that it is given in, not of the one that is installed."""


@dataclass
class Pipeline:
    """The commands of a release, given in a checkout of their own, whose files a test may change."""

    stack: Stack
    state: StackState
    code: Project
    subscribers: Mapping[str, Any]
    commits: Iterator[str] = field(default_factory=lambda: (f"{number:040x}" for number in range(1, 100)))

    @property
    def accounts(self) -> list[str]:
        """The hub's and the subscribers'."""
        return [ACCOUNT, *(subscriber["account_id"] for subscriber in self.subscribers.values())]

    def client(self, service: str, account: str = ACCOUNT) -> Any:
        """A client of one of the local AWS's accounts."""
        return AccountAccess.root(account, self.state.aws_port, self.state.secret).client(service)

    def prepare(self) -> None:
        """Make the resources of the stack `registry`. The local registry serves all accounts."""
        for account in self.accounts:
            self.client("s3", account).create_bucket(Bucket=f"loudhailer-local-{account}")
            self.client("ecr", account).create_repository(repositoryName="loudhailer")
        read = {
            "Effect": "Allow",
            "Principal": {"AWS": self.accounts},
            "Action": "s3:GetObject",
            "Resource": f"arn:aws:s3:::{_BUCKET}/releases/*",
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [read]})
        self.client("s3").put_bucket_policy(Bucket=_BUCKET, Policy=policy)

    def build(self, *, change: str = "", of: str = "functions/broadcast/swarm/swarm.py") -> str:
        """Build and push the image of the code, with a change if one is given; its digest."""
        source = self.code.root / of
        before = source.read_text()
        source.write_text(before + change)
        layer = package_bytes(self.code)
        source.write_text(before)
        manifest = json.dumps({"schemaVersion": 2, "layers": [{"digest": hashlib.sha256(layer).hexdigest()}]})
        for account in self.accounts:
            pushed = self.client("ecr", account).put_image(repositoryName="loudhailer", imageManifest=manifest)
        digest = str(pushed["image"]["imageId"]["imageDigest"])
        folder = self.stack.directory.aws_state / "images" / digest.removeprefix("sha256:")
        with zipfile.ZipFile(io.BytesIO(layer)) as archive:
            archive.extractall(folder)
        return digest

    def release(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Give one of the commands."""
        directory = self.stack.directory.path
        return subprocess.run(
            [*_LOUDHAILER, "--state-dir", str(directory.parent), "--stack", directory.name, "release", *arguments],
            cwd=self.code.root,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def done(self, *arguments: str, **variables: str) -> str:
        """Run one of the commands, which must succeed; return its output."""
        command = self.release(*arguments, **variables)
        assert command.returncode == 0, command.stderr
        return command.stdout

    def released(self, digest: str) -> str:
        """Write the manifest of a digest; the commit that it is of."""
        commit = next(self.commits)
        self.done("manifest", "local", "--commit", commit, "--digest", digest)
        return commit

    def planned(self, commit: str, *stack: str) -> str:
        """Plan a release of the hub, or of `--subscriber`; the plan's fingerprint."""
        output = self.done("plan", "local", *stack, "--commit", commit)
        found = re.search("--plan ([0-9a-f]{64})", output)
        assert found is not None, output
        return found[1]

    def applied(self, plan: str, *stack: str) -> subprocess.CompletedProcess[str]:
        """Apply a plan."""
        return self.release("apply", "local", *stack, "--plan", plan, *_QUICKLY)

    def rolled_back(self, *stack: str) -> str:
        """Run the command that returns to the previous release, which must succeed; return its output."""
        return self.done("rollback", "local", *stack, *_QUICKLY)

    def promote(self, digest: str) -> subprocess.CompletedProcess[str]:
        """Release a digest, plan it for the hub and apply that plan."""
        return self.applied(self.planned(self.released(digest)))

    def make(self, command: str, **variables: str) -> str:
        """Run make like README, which must succeed; return its output."""
        done = subprocess.run(
            command.split(),
            cwd=ROOT,
            env={
                **os.environ,
                "LOUDHAILER_STATE_DIR": str(self.stack.directory.path.parent),
                "PYTHONPATH": str(self.code.root),  # its sources and settings, not those of the Makefile's checkout
                **variables,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def home(self) -> Path:
        """Folder of a machine's plans, and of what one stack says to another."""
        return self.stack.directory.path.parent / "release" / "local"

    @property
    def system(self) -> System:
        """Deployment as the other tests know it."""
        outputs = json.loads(self.stack.directory.hub.state.read_text())["outputs"]
        applied = Applied(Fingerprint("", "", ""), {name: output["value"] for name, output in outputs.items()})
        state = StackState(**{**vars(self.state), "applied": applied})
        save_state(self.stack.directory.state_file, state)
        return System(self.stack.directory.path.parent, self.stack.directory.path.name, state)

    def configure(self, line: str) -> None:
        """Add a line to the hub's settings of the checkout."""
        self._settings.write_text(f"{self._settings.read_text()}\n{line}\n")

    def reconfigure(self, before: str, after: str) -> None:
        """Change the hub's settings of the checkout."""
        settings = self._settings.read_text()
        assert settings.count(before) == 1
        self._settings.write_text(settings.replace(before, after))

    @property
    def _settings(self) -> Path:
        return self.code.terraform / "environments" / "local" / "hub.tfvars"

    def live(self, function: str) -> Any:
        """The configuration that a function's alias leads to."""
        system = self.system
        name = system.deployment.functions[function]
        return system.functions.get_function_configuration(FunctionName=name, Qualifier="live")

    def running(self, subscriber: str | None = None) -> set[str]:
        """The digests that all aliases of the hub lead to, or that of a subscriber's function."""
        if subscriber is not None:
            client = self.client("lambda", self.subscribers[subscriber]["account_id"])
            return set(Traffic(client, ["loudhailer-local-post_message"]).images().values())
        system = self.system
        traffic = Traffic(system.functions, [*system.deployment.functions.values()])
        digests = traffic.images()
        assert digests.keys() == set(system.deployment.functions.values())
        return set(digests.values())


@contextmanager
def empty_pipeline(root: Path, subscribers: Mapping[str, Any]) -> Iterator[Pipeline]:
    """A checkout with this map of subscribers, and an AWS of registry and buckets alone; removed after the block."""
    for folder in _SOURCES:
        ignored = shutil.ignore_patterns("__pycache__", ".terraform", "*.tfstate*")
        shutil.copytree(ROOT / folder, root / folder, ignore=ignored)
    code = Project(root)
    settings = code.terraform / "environments" / "local"
    (settings / "subscribers.tfvars.json").write_text(json.dumps({"subscribers": subscribers}))
    stack = Stack(Project.of_this_code(), StackDirectory(root / "state" / "local"), Terminal())
    with stack.directory.locked(lambda: None), ExitStack() as held:
        stack.directory.create()
        state, *_ = stack._start(Ports(), None, held)
    pipeline = Pipeline(stack, state, code, subscribers)
    pipeline.configure("broadcast = { shards = { count = 4 } }")
    try:
        pipeline.prepare()
        yield pipeline
    finally:
        stack.down()
