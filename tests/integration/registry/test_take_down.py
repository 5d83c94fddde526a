"""An account's resources are taken back, as terraform/README.md says."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.integration.registry.accounts import AccessKeys, RegistryAccount
from tests.integration.registry.conftest import UNATTENDED, Accounts

pytestmark = pytest.mark.nightly


@pytest.fixture(scope="module")
def without_subscriber(subscriber: RegistryAccount, blue_apply_keys: AccessKeys) -> RegistryAccount:
    """The subscriber's account after CI destroyed its stack."""
    subscriber.terraform("subscriber", "destroy", *UNATTENDED, "-auto-approve", keys=blue_apply_keys)
    return subscriber


@pytest.fixture(scope="module")
def without_hub(hub: RegistryAccount, apply_keys: AccessKeys, without_subscriber: RegistryAccount) -> RegistryAccount:  # noqa: ARG001  # comes first
    """The account of dev after CI destroyed the hub, whose tables an administrator had taken the protection off."""
    dynamodb = hub.client("dynamodb")
    for table in dynamodb.list_tables()["TableNames"]:
        dynamodb.update_table(TableName=table, DeletionProtectionEnabled=False)
    hub.terraform("hub", "destroy", *UNATTENDED, "-auto-approve", keys=apply_keys)
    return hub


@pytest.fixture(scope="module")
def destroyed(accounts: Accounts, without_subscriber: RegistryAccount, without_hub: RegistryAccount) -> Accounts:
    """All accounts after the registry stack was destroyed, the one that keeps the images last."""
    for account in (without_subscriber, without_hub, accounts.production):
        account.use_file("registry", "-migrate-state", "-force-copy")
        empty(account)
        account.terraform("registry", "destroy", "-auto-approve", "-input=false", "-no-color")
    return accounts


def empty(account: RegistryAccount) -> None:
    """Delete every version of the bucket's objects, and every image."""
    s3 = account.client("s3")
    s3.delete_bucket_policy(Bucket=account.bucket)
    versions: Any = s3.list_object_versions(Bucket=account.bucket)
    for version in versions.get("Versions", []) + versions.get("DeleteMarkers", []):
        s3.delete_object(Bucket=account.bucket, Key=version["Key"], VersionId=version["VersionId"])
    ecr = account.client("ecr")
    for repository in ecr.describe_repositories()["repositories"]:
        name = repository["repositoryName"]
        ecr.batch_delete_image(repositoryName=name, imageIds=ecr.list_images(repositoryName=name)["imageIds"])


@pytest.mark.parametrize(("stack", "name"), [("subscriber", "without_subscriber"), ("hub", "without_hub")])
def test_ci_destroys_its_own_deployment(request: pytest.FixtureRequest, stack: str, name: str) -> None:
    """Nothing of it is left, in the account or in its state."""
    account: RegistryAccount = request.getfixturevalue(name)
    assert account.terraform(stack, "state", "list").stdout == ""
    assert account.client("lambda").list_functions()["Functions"] == []
    assert account.client("lambda").list_event_source_mappings()["EventSourceMappings"] == []
    assert account.client("dynamodb").list_tables()["TableNames"] == []
    assert account.client("logs").describe_log_groups()["logGroups"] == []
    roles = account.client("iam").list_roles()["Roles"]
    assert {role["Path"] for role in roles if role["RoleName"].startswith("loudhailer-")} == {"/ci/"}


def test_the_registry_is_destroyed(destroyed: Accounts) -> None:
    """No bucket, role, policy, provider or repository is left of it."""
    for account in (destroyed.blue, destroyed.dev, destroyed.production):
        iam = account.client("iam")
        assert account.client("s3").list_buckets()["Buckets"] == []
        assert [role for role in iam.list_roles()["Roles"] if role["Path"] == "/ci/"] == []
        assert iam.list_policies(Scope="Local")["Policies"] == []
        assert iam.list_open_id_connect_providers()["OpenIDConnectProviderList"] == []
        assert account.client("ecr").describe_repositories()["repositories"] == []
        state = json.loads(Path(account.tree / "stacks" / "registry" / "terraform.tfstate").read_text())
        assert state["resources"] == []
