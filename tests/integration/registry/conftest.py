"""Accounts of the local AWS: production's, which keeps the images, dev's with a hub in it, and its subscriber's."""

import hashlib
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.emulator.aws.running import LocalAws, launched
from tests.integration.registry.accounts import ACCOUNTS, BLUE, REPOSITORY, AccessKeys, RegistryAccount, set_up
from tests.support.decisions import disagreements
from tools.emulator.aws.options import DECISIONS

UNATTENDED = ("-input=false", "-no-color", "-parallelism=50")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + hashlib.sha256(b"config").hexdigest()}})


@dataclass(frozen=True)
class Accounts:
    """All of them; blue is a subscriber of dev."""

    dev: RegistryAccount
    production: RegistryAccount
    blue: RegistryAccount


@pytest.fixture(scope="session")
def local_aws_of_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A launcher of their own."""
    folder = tmp_path_factory.mktemp("accounts")
    decisions = folder / "decisions.jsonl"
    with launched(folder, "--trust-web-identities", environment={**os.environ, DECISIONS: str(decisions)}) as running:
        yield running
    assert disagreements(decisions) == []


@pytest.fixture(scope="session")
def accounts(local_aws_of_accounts: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    """All accounts, set up by their administrators."""
    trees = tmp_path_factory.mktemp("trees")
    wanted = {
        "dev": ("dev", ACCOUNTS["dev"]),
        "production": ("production", ACCOUNTS["production"]),
        "blue": ("dev", BLUE),
    }
    with ThreadPoolExecutor() as threads:
        made = {
            name: threads.submit(set_up, local_aws_of_accounts, *account, trees / name)
            for name, account in wanted.items()
        }
    return Accounts(**{name: account.result() for name, account in made.items()})


@pytest.fixture(scope="session")
def release_keys(accounts: Accounts) -> AccessKeys:
    """The keys of a release: a run on main."""
    return accounts.production.assume("release", f"{REPOSITORY}:ref:refs/heads/main")


@pytest.fixture(scope="session")
def plan_keys(accounts: Accounts) -> AccessKeys:
    """The keys of a pull request in dev."""
    return accounts.dev.assume("plan", f"{REPOSITORY}:pull_request")


@pytest.fixture(scope="session")
def apply_keys(accounts: Accounts) -> AccessKeys:
    """The keys of a deployment to dev."""
    return accounts.dev.assume("apply", f"{REPOSITORY}:environment:dev")


@pytest.fixture(scope="session")
def blue_plan_keys(accounts: Accounts) -> AccessKeys:
    """The keys of a pull request in the subscriber's account."""
    return accounts.blue.assume("plan", f"{REPOSITORY}:pull_request")


@pytest.fixture(scope="session")
def blue_apply_keys(accounts: Accounts) -> AccessKeys:
    """The keys of a deployment to the subscriber, which is one to dev."""
    return accounts.blue.assume("apply", f"{REPOSITORY}:environment:dev")


@pytest.fixture(scope="session")
def image(accounts: Accounts, release_keys: AccessKeys) -> dict[str, str]:
    """The image that a release has pushed."""
    pushed: Any = accounts.production.client("ecr", release_keys).put_image(
        repositoryName="loudhailer", imageManifest=MANIFEST, imageTag=COMMIT
    )["image"]
    registry = f"{ACCOUNTS['production']}.dkr.ecr.eu-central-1.amazonaws.com"
    return {"repository_url": f"{registry}/loudhailer", "digest": pushed["imageId"]["imageDigest"]}


@pytest.fixture(scope="session")
def hub(accounts: Accounts, apply_keys: AccessKeys, image: dict[str, str]) -> RegistryAccount:
    """The account of dev with a hub in it, applied as CI does it."""
    # The local AWS has no TLS: only the environment `local` takes its URLs.
    local = {"environment": "local", "prefix": "loudhailer-dev", "aws_endpoint": accounts.dev.aws.endpoint}
    gateway = {"gateway_endpoint": "http://127.0.0.1:9"}
    subscribers = json.loads((accounts.dev.tree / "environments/dev/subscribers.tfvars.json").read_text())
    accounts.dev.prepare("hub", {"package": {"image": image}, **subscribers, **local, **gateway})
    accounts.dev.use_bucket("hub", keys=apply_keys)
    accounts.dev.terraform("hub", "apply", *UNATTENDED, "-auto-approve", keys=apply_keys)
    return accounts.dev


@pytest.fixture(scope="session")
def subscriber(
    accounts: Accounts, hub: RegistryAccount, apply_keys: AccessKeys, blue_apply_keys: AccessKeys, image: dict[str, str]
) -> RegistryAccount:
    """The account of the hub's subscriber, applied as CI does it."""
    cells = json.loads(hub.terraform("hub", "output", "-json", "subscribers", keys=apply_keys).stdout)
    accounts.blue.prepare("subscriber", {"package": {"image": image}, "cell": cells["blue"]})
    accounts.blue.use_bucket("subscriber", keys=blue_apply_keys)
    accounts.blue.terraform("subscriber", "apply", *UNATTENDED, "-auto-approve", keys=blue_apply_keys)
    return accounts.blue
