"""An account as the registry stack sets it up: who takes which role, and what they can do with it."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.integration.registry.accounts import ACCOUNTS, REPOSITORY, Keys, are_refused
from tests.integration.registry.conftest import COMMIT, MANIFEST, Accounts

RELEASES = f"loudhailer-production-{ACCOUNTS['production']}"


def test_a_plan_after_the_first_apply_shows_no_changes(accounts: Accounts) -> None:
    """What was applied is what is there, and its state has moved into the bucket that it made."""
    for account in (accounts.production, accounts.dev, accounts.blue):
        plan = account.terraform("registry", "plan", "-detailed-exitcode", "-input=false", "-no-color")
        assert "No changes." in plan.stdout
        state = account.client("s3").get_object(Bucket=account.bucket, Key="registry.tfstate")["Body"].read()
        assert json.loads(state)["outputs"]["state_bucket"]["value"] == account.bucket


@pytest.mark.parametrize(
    ("kind", "about"),
    [
        ("plan", "pull_request"),
        ("plan", "ref:refs/heads/main"),
        ("apply", "environment:dev"),
    ],
)
def test_a_run_takes_the_role_that_is_for_it(accounts: Accounts, kind: str, about: str) -> None:
    """GitHub's token is all that it needs."""
    keys = accounts.dev.assume(kind, f"repo:{REPOSITORY}:{about}")
    caller = accounts.dev.client("sts", keys).get_caller_identity()
    assert caller["Arn"].endswith(f":assumed-role/loudhailer-dev-{kind}/run")


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("plan", f"repo:{REPOSITORY}:ref:refs/heads/topic"),
        ("plan", f"repo:{REPOSITORY}:environment:dev"),
        ("plan", "repo:somebody/loudhailer:pull_request"),
        ("apply", f"repo:{REPOSITORY}:pull_request"),
        ("apply", f"repo:{REPOSITORY}:ref:refs/heads/main"),
        ("apply", f"repo:{REPOSITORY}:environment:production"),
        ("apply", f"repo:{REPOSITORY}:environment:dev2"),
        ("apply", "repo:somebody/loudhailer:environment:dev"),
    ],
)
def test_nobody_else_takes_a_role(accounts: Accounts, kind: str, subject: str) -> None:
    """Another branch, another environment, or somebody's fork."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.dev.assume(kind, subject)


@pytest.mark.parametrize("subject", ["pull_request", "ref:refs/heads/topic", "environment:production"])
def test_only_main_pushes_images(accounts: Accounts, subject: str) -> None:
    """A release is of what has been merged."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.production.assume("release", f"repo:{REPOSITORY}:{subject}")


def test_a_token_for_somebody_else_takes_no_role(accounts: Accounts) -> None:
    """A token that a workflow got for another service is worth nothing here."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.dev.assume("plan", f"repo:{REPOSITORY}:pull_request", audience="https://example.com")


def test_a_tag_stays_with_its_image(accounts: Accounts, release_keys: Keys, image: dict[str, str]) -> None:
    """Even the release cannot push another image by the same commit."""
    ecr = accounts.production.client("ecr", release_keys)
    with pytest.raises(ClientError, match="ImageTagAlreadyExists"):
        ecr.put_image(repositoryName="loudhailer", imageManifest=MANIFEST + "\n", imageTag=COMMIT)
    (found,) = ecr.describe_images(repositoryName="loudhailer")["imageDetails"]
    assert found["imageDigest"] == image["digest"]


def test_other_accounts_read_a_release_and_no_state(accounts: Accounts, release_keys: Keys, apply_keys: Keys) -> None:
    """The manifest that main wrote is read by the deployment to dev, which sees nothing else of that bucket."""
    key = f"releases/{COMMIT}.json"
    accounts.production.client("s3", release_keys).put_object(Bucket=RELEASES, Key=key, Body=b'{"v":1}')
    s3 = accounts.dev.client("s3", apply_keys)
    assert s3.get_object(Bucket=RELEASES, Key=key)["Body"].read() == b'{"v":1}'
    are_refused(
        lambda: s3.get_object(Bucket=RELEASES, Key="registry.tfstate"),
        lambda: s3.put_object(Bucket=RELEASES, Key=key, Body=b"{}"),
        lambda: s3.list_objects_v2(Bucket=RELEASES),
    )
