"""Accounts of the local AWS, set up as terraform/README.md says, and what one works in them with."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.aws.running import LocalAws
from tests.support.aws import SECRET
from tools.stack.local_aws import local_environment
from tools.toolchain.links import BACKEND_OVERRIDE, link_sources, override_backend
from tools.toolchain.provider import LOCK, find_provider, forget_hashes
from tools.toolchain.terraform import find_terraform, terraform_environment

SOURCE = Path(__file__).parents[3] / "terraform"
ACCOUNTS = {"dev": "222222222222", "production": "444444444444"}
BLUE = "555555555555"
REGION = "eu-central-1"
REPOSITORY = "repo:example@1234567/loudhailer@123456789"
"""The repository as its subjects begin: `github_subject_prefix` in the environments' registry.tfvars."""

type AccessKeys = dict[str, str]


def root_of(account_id: str) -> AccessKeys:
    """The keys of an account's administrator."""
    return {"AWS_ACCESS_KEY_ID": account_id, "AWS_SECRET_ACCESS_KEY": SECRET}


def token(subject: str, audience: str = "sts.amazonaws.com") -> str:
    """The claims of a token of GitHub's; the local AWS does not ask for its signature."""
    claims = {"iss": "https://token.actions.githubusercontent.com", "aud": audience, "sub": subject}
    parts = ({"alg": "RS256", "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + ".x"


def _keys(answer: Any) -> AccessKeys:
    """The keys in an answer of STS, as the environment of a process names them."""
    found = answer["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
        "AWS_SESSION_TOKEN": found["SessionToken"],
    }


@dataclass(frozen=True)
class RegistryAccount:
    """An account with the registry stack applied, its state in its own bucket; the hub's, or a subscriber's."""

    aws: LocalAws
    environment: str
    account_id: str
    tree: Path

    @property
    def is_subscriber(self) -> bool:
        """True if it is not the one that the environment's files name."""
        return self.account_id != ACCOUNTS[self.environment]

    @property
    def bucket(self) -> str:
        """The bucket that its registry stack has made."""
        return f"loudhailer-{self.environment}-{self.account_id}"

    def role(self, kind: str) -> str:
        """The ARN of the role `plan`, `apply` or `release`."""
        return f"arn:aws:iam::{self.account_id}:role/ci/loudhailer-{self.environment}-{kind}"

    def keys_of(self, role_arn: str) -> AccessKeys:
        """The keys of a role that the account's administrator takes."""
        return _keys(self.client("sts").assume_role(RoleArn=role_arn, RoleSessionName="run"))

    def assume(self, kind: str, subject: str, **claims: str) -> AccessKeys:
        """The keys of a run on GitHub that takes a role."""
        sts = boto3.client("sts", endpoint_url=self.aws.endpoint, region_name=REGION)
        return _keys(
            sts.assume_role_with_web_identity(
                RoleArn=self.role(kind), RoleSessionName="run", WebIdentityToken=token(subject, **claims)
            )
        )

    def client(self, service: str, keys: AccessKeys | None = None) -> Any:
        """A client of the service with these keys, or those of the administrator."""
        names = {name.lower(): value for name, value in (keys or root_of(self.account_id)).items()}
        session: Any = boto3.session.Session(region_name=REGION)
        return session.client(service, endpoint_url=self.aws.endpoint, **names)

    def terraform(
        self, stack: str, *arguments: str, keys: AccessKeys | None = None, code: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """Run Terraform on a stack with these keys, or those of the administrator; it has to end with the code."""
        port = int(self.aws.endpoint.rpartition(":")[2])
        environment = local_environment(terraform_environment(os.environ), port, SECRET)
        run = subprocess.run(
            [find_terraform(), *arguments],
            cwd=self.tree / "stacks" / stack,
            env={**environment, "AWS_REGION": REGION, **(keys or root_of(self.account_id))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert run.returncode == code, run.stdout
        return run

    def prepare(self, stack: str, values: Mapping[str, Any] | None = None) -> None:
        """Give a stack the environment's values, and the ones that only the run knows."""
        root = self.tree / "stacks" / stack
        shutil.copy(self.tree / "environments" / self.environment / f"{stack}.tfvars", root / "example.auto.tfvars")
        (root / "run.auto.tfvars.json").write_text(json.dumps(values or {}))

    def use_bucket(self, stack: str, *arguments: str, keys: AccessKeys | None = None) -> None:
        """Keep the stack's state in the bucket."""
        settings = self.tree / "environments" / self.environment
        (self.tree / "stacks" / stack / BACKEND_OVERRIDE).unlink(missing_ok=True)
        bucket = [f"-backend-config={settings / f'{stack}.tfbackend'}", "-backend-config=use_path_style=true"]
        if self.is_subscriber:
            bucket.append(f"-backend-config=bucket={self.bucket}")
        self._initialise(stack, *bucket, *arguments, keys=keys)

    def use_file(self, stack: str, *arguments: str) -> None:
        """Keep the stack's state in a file."""
        override_backend(self.tree / "stacks" / stack, "local")
        self._initialise(stack, *arguments)

    def _initialise(self, stack: str, *arguments: str, keys: AccessKeys | None = None) -> None:
        provider = find_provider(SOURCE / "stacks" / "hub")
        lock = self.tree / "stacks" / stack / LOCK
        shutil.copy(provider.lock, lock)
        options = ("-input=false", "-no-color", f"-plugin-dir={provider.folder}")
        self.terraform(stack, "init", *options, *arguments, keys=keys)
        forget_hashes(lock)


def set_up(aws: LocalAws, environment: str, account_id: str, tree: Path) -> RegistryAccount:
    """An account after its first apply."""
    link_sources(SOURCE, tree)
    account = RegistryAccount(aws, environment, account_id, tree)
    account.prepare("registry", {"account_id": account_id} if account.is_subscriber else None)
    account.use_file("registry")
    account.terraform("registry", "apply", "-auto-approve", "-input=false", "-no-color")
    account.use_bucket("registry", "-migrate-state", "-force-copy")
    return account


def are_refused(*calls: Callable[[], Any]) -> None:
    """IAM allows none of the calls; SNS has a word of its own for that."""
    for call in calls:
        with pytest.raises(ClientError, match=r"AccessDenied|AuthorizationError"):
            call()
