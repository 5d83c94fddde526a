"""What an account has been given is taken back, as terraform/README.md says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.registry.accounts import ACCOUNTS, Account
from tests.integration.registry.conftest import Accounts


@pytest.fixture(scope="module")
def destroyed(accounts: Accounts) -> Accounts:
    """Both accounts after the registry stack was destroyed, the one that keeps the images last."""
    for account in (accounts.dev, accounts.production):
        account.use_file("registry", "-migrate-state", "-force-copy")
        empty(account)
        account.terraform("registry", "destroy", "-auto-approve", "-input=false", "-no-color")
    return accounts


def empty(account: Account) -> None:
    """Delete every version of what lies in the bucket, and every image."""
    s3, bucket = account.client("s3"), f"loudhailer-{account.environment}-{ACCOUNTS[account.environment]}"
    versions: Any = s3.list_object_versions(Bucket=bucket)
    for version in versions.get("Versions", []) + versions.get("DeleteMarkers", []):
        s3.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    ecr = account.client("ecr")
    for repository in ecr.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        ecr.batch_delete_image(repositoryName=name, imageIds=ecr.list_images(repositoryName=name)["imageIds"])


def test_the_registry_is_destroyed(destroyed: Accounts) -> None:
    """No bucket, role, policy, provider or repository is left of it."""
    for account in (destroyed.dev, destroyed.production):
        iam = account.client("iam")
        assert account.client("s3").list_buckets()["Buckets"] == []
        assert [role for role in iam.list_roles()["Roles"] if role["Path"] == "/ci/"] == []
        assert iam.list_policies(Scope="Local")["Policies"] == []
        assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
        assert account.client("ecr").describe_repositories()["repositories"] == []
        state = json.loads(Path(account.tree / "stacks" / "registry" / "terraform.tfstate").read_text())
        assert state["resources"] == []
