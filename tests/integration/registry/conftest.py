"""Two accounts of the local AWS: that of production, which keeps the images, and that of dev with a hub in it."""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from tests.integration.local_aws.conftest import LocalAws, launched
from tests.integration.registry.accounts import ACCOUNTS, REPOSITORY, Account, Keys, set_up

UNATTENDED = ("-input=false", "-no-color", "-parallelism=50")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
MANIFEST = json.dumps({"schemaVersion": 2, "config": {"digest": "sha256:" + hashlib.sha256(b"config").hexdigest()}})


@dataclass(frozen=True)
class Accounts:
    """Both accounts."""

    dev: Account
    production: Account


@pytest.fixture(scope="session")
def local_aws_of_accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A launcher of their own."""
    with launched(tmp_path_factory.mktemp("accounts")) as running:
        yield running


@pytest.fixture(scope="session")
def accounts(local_aws_of_accounts: LocalAws, tmp_path_factory: pytest.TempPathFactory) -> Accounts:
    """Both accounts, set up by their administrators."""
    trees = tmp_path_factory.mktemp("trees")
    with ThreadPoolExecutor() as threads:
        made = threads.map(lambda name: set_up(local_aws_of_accounts, name, trees / name), ACCOUNTS)
        dev, production = made
    return Accounts(dev, production)


@pytest.fixture(scope="session")
def release_keys(accounts: Accounts) -> Keys:
    """The keys of a release: a run on main."""
    return accounts.production.assume("release", f"repo:{REPOSITORY}:ref:refs/heads/main")


@pytest.fixture(scope="session")
def plan_keys(accounts: Accounts) -> Keys:
    """The keys of a pull request in dev."""
    return accounts.dev.assume("plan", f"repo:{REPOSITORY}:pull_request")


@pytest.fixture(scope="session")
def apply_keys(accounts: Accounts) -> Keys:
    """The keys of a deployment to dev."""
    return accounts.dev.assume("apply", f"repo:{REPOSITORY}:environment:dev")


@pytest.fixture(scope="session")
def image(accounts: Accounts, release_keys: Keys) -> dict[str, str]:
    """The image that a release has pushed."""
    pushed: Any = accounts.production.client("ecr", release_keys).put_image(
        repositoryName="loudhailer", imageManifest=MANIFEST, imageTag=COMMIT
    )["image"]
    registry = f"{ACCOUNTS['production']}.dkr.ecr.eu-central-1.amazonaws.com"
    return {"repository_url": f"{registry}/loudhailer", "digest": pushed["imageId"]["imageDigest"]}


@pytest.fixture(scope="session")
def hub(accounts: Accounts, apply_keys: Keys, image: dict[str, str]) -> Account:
    """The account of dev with a hub in it, applied as CI does it."""
    # The local AWS has no TLS: only the environment `local` takes its URLs.
    local = {"environment": "local", "prefix": "loudhailer-dev", "aws_endpoint": accounts.dev.aws.endpoint}
    gateway = {"gateway_endpoint": "http://127.0.0.1:9"}
    accounts.dev.prepare("hub", {"package": {"image": image}, **local, **gateway})
    accounts.dev.use_bucket("hub", keys=apply_keys)
    accounts.dev.terraform("hub", "apply", *UNATTENDED, "-auto-approve", keys=apply_keys)
    return accounts.dev
