"""A hub that CI applies and plans in an account: that the roles suffice, and that they do no more."""

import json
from typing import Any

from tests.integration.registry.accounts import ACCOUNTS, Account, Keys, are_refused

BUCKET = f"loudhailer-dev-{ACCOUNTS['dev']}"
BOUNDARY = f"arn:aws:iam::{ACCOUNTS['dev']}:policy/ci/loudhailer-dev-boundary"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}},
        ],
    }
)
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})


def test_a_pull_request_sees_no_changes_in_what_ci_applied(hub: Account, plan_keys: Keys) -> None:
    """The role for plans reads all that a plan reads."""
    hub.use_bucket("hub", "-reconfigure", keys=plan_keys)
    arguments = ("plan", "-detailed-exitcode", "-input=false", "-no-color", "-parallelism=50")
    assert "No changes." in hub.terraform("hub", *arguments, "-lock=false", keys=plan_keys).stdout
    assert "Error acquiring the state lock" in hub.terraform("hub", *arguments, keys=plan_keys, code=1).stdout


def test_a_pull_request_changes_nothing(hub: Account, plan_keys: Keys) -> None:
    """Not the state, not a function, not a role."""
    are_refused(
        lambda: hub.client("s3", plan_keys).put_object(Bucket=BUCKET, Key="hub.tfstate", Body=b"{}"),
        lambda: hub.client("lambda", plan_keys).delete_function(FunctionName="loudhailer-dev-swarm"),
        lambda: hub.client("iam", plan_keys).delete_role(RoleName="loudhailer-dev-swarm"),
        lambda: hub.client("dynamodb", plan_keys).scan(TableName="loudhailer-dev-sessions"),
    )


def test_every_role_that_ci_made_is_within_the_boundary(hub: Account) -> None:
    """Each has it, and what its policy allows is no more: it works as well as without."""
    iam = hub.client("iam")
    document = iam.get_policy_version(PolicyArn=BOUNDARY, VersionId="v1")["PolicyVersion"]["Document"]
    bounded = {action for statement in document["Statement"] for action in statement["Action"]}
    roles = [
        role["RoleName"]
        for page in iam.get_paginator("list_roles").paginate()
        for role in page["Roles"]
        if role["Path"] == "/" and role["RoleName"].startswith("loudhailer-dev-")
    ]
    assert len(roles) > 20
    for name in roles:
        assert iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            own = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            assert {action for statement in own["Statement"] for action in statement["Action"]} <= bounded, name


def test_ci_cannot_raise_itself(hub: Account, apply_keys: Keys) -> None:
    """No role without the boundary, none taken out of it, and nothing changed of what CI itself is made of."""
    iam = hub.client("iam", apply_keys)
    role, ci = "loudhailer-dev-swarm", "loudhailer-dev-apply"
    are_refused(
        lambda: iam.create_role(RoleName="loudhailer-dev-free", AssumeRolePolicyDocument=TRUST),
        lambda: iam.create_role(
            RoleName="loudhailer-dev-free",
            AssumeRolePolicyDocument=TRUST,
            PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess",
        ),
        lambda: iam.create_role(
            RoleName="loudhailer-dev-free", Path="/ci/", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=BOUNDARY
        ),
        lambda: iam.delete_role_permissions_boundary(RoleName=role),
        lambda: iam.put_role_permissions_boundary(
            RoleName=role, PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess"
        ),
        lambda: iam.attach_role_policy(RoleName=role, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"),
        lambda: iam.put_role_policy(RoleName=ci, PolicyName="more", PolicyDocument=EVERYTHING),
        lambda: iam.update_assume_role_policy(RoleName=ci, PolicyDocument=TRUST),
        lambda: iam.create_policy_version(PolicyArn=BOUNDARY, PolicyDocument=EVERYTHING, SetAsDefault=True),
        lambda: iam.create_user(UserName="loudhailer-dev-somebody"),
        lambda: hub.client("sqs", apply_keys).create_queue(QueueName="others"),
        lambda: hub.client("s3", apply_keys).delete_bucket(Bucket=BUCKET),
        lambda: hub.client("s3", apply_keys).put_object(Bucket=BUCKET, Key="registry.tfstate", Body=b"{}"),
        lambda: hub.client("s3", apply_keys).put_object(Bucket=BUCKET, Key="registry.tfstate.tflock", Body=b"{}"),
    )


def test_a_role_that_was_given_everything_can_do_what_functions_do_and_no_more(hub: Account, apply_keys: Keys) -> None:
    """The boundary is what counts: a policy that allows everything opens no other service."""
    name = "loudhailer-dev-greedy"
    admin, iam = hub.client("iam"), hub.client("iam", apply_keys)
    anyone = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNTS["dev"]}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    made = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, PermissionsBoundary=BOUNDARY)["Role"]
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=EVERYTHING)
    try:
        taken: Any = hub.client("sts").assume_role(RoleArn=made["Arn"], RoleSessionName="greedy")["Credentials"]
        keys = {
            "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
            "AWS_SESSION_TOKEN": taken["SessionToken"],
        }
        assert hub.client("dynamodb", keys).scan(TableName="loudhailer-dev-sessions")["Count"] == 0
        are_refused(
            lambda: hub.client("iam", keys).list_roles(),
            lambda: hub.client("s3", keys).get_object(Bucket=BUCKET, Key="hub.tfstate"),
            lambda: hub.client("dynamodb", keys).delete_table(TableName="loudhailer-dev-sessions"),
        )
    finally:
        admin.delete_role_policy(RoleName=name, PolicyName="everything")
        admin.delete_role(RoleName=name)
