"""Accounts, a hub and a subscriber, applied as CI applies them: the roles suffice, and do no more.

The tests are in one file, so that one process makes the accounts.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError

from loudhailer.tenants.dynamodb import DynamoTenantStore
from tests.integration.registry.accounts import ACCOUNTS, BLUE, REPOSITORY, AccessKeys, RegistryAccount, are_refused
from tests.integration.registry.conftest import COMMIT, MANIFEST, Accounts
from tools.release.errors import ErrorLog
from tools.release.health import SYNTHETIC
from tools.release.manifest import Image, Manifest
from tools.release.store import Action, History
from tools.stack.traffic import ALIAS, Shift, Traffic

RELEASES = f"loudhailer-production-{ACCOUNTS['production']}"
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
POLICY_OF_API_LOGS = "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
FUNCTION = "loudhailer-dev-post_message"
TOPIC = f"arn:aws:sns:eu-central-1:{ACCOUNTS['dev']}:loudhailer-dev-broadcast"
PATH = "/loudhailer-dev/"
TENANTS = "loudhailer-dev-tenants"


def test_a_plan_after_the_first_apply_shows_no_changes(accounts: Accounts) -> None:
    """The resources are as they were applied, and the state has moved into the bucket that the apply made."""
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
def test_each_workflow_run_takes_its_own_role(accounts: Accounts, kind: str, about: str) -> None:
    """GitHub's token is all that it needs."""
    keys = accounts.dev.assume(kind, f"{REPOSITORY}:{about}")
    caller = accounts.dev.client("sts", keys).get_caller_identity()
    assert caller["Arn"].endswith(f":assumed-role/loudhailer-dev-{kind}/run")


@pytest.mark.parametrize(
    ("kind", "subject"),
    [
        ("plan", f"{REPOSITORY}:ref:refs/heads/topic"),
        ("plan", f"{REPOSITORY}:environment:dev"),
        ("plan", "repo:somebody@7654321/loudhailer@987654321:pull_request"),
        ("plan", "repo:example@7654321/loudhailer@987654321:pull_request"),
        ("plan", "repo:example/loudhailer:pull_request"),
        ("apply", f"{REPOSITORY}:pull_request"),
        ("apply", f"{REPOSITORY}:ref:refs/heads/main"),
        ("apply", f"{REPOSITORY}:environment:production"),
        ("apply", f"{REPOSITORY}:environment:dev2"),
        ("apply", "repo:somebody@7654321/loudhailer@987654321:environment:dev"),
        ("apply", "repo:example@7654321/loudhailer@987654321:environment:dev"),
    ],
)
def test_no_other_identity_takes_a_role(accounts: Accounts, kind: str, subject: str) -> None:
    """Another branch, another environment, a fork, and a new owner of the names without the ids."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.dev.assume(kind, subject)


@pytest.mark.parametrize("subject", ["pull_request", "ref:refs/heads/topic", "environment:production"])
def test_only_main_pushes_images(accounts: Accounts, subject: str) -> None:
    """A release is of what has been merged."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.production.assume("release", f"{REPOSITORY}:{subject}")


def test_a_token_for_another_audience_takes_no_role(accounts: Accounts) -> None:
    """A token that a workflow got for another service is worth nothing here."""
    with pytest.raises(ClientError, match="AccessDenied"):
        accounts.dev.assume("plan", f"{REPOSITORY}:pull_request", audience="https://example.com")


def test_a_tag_is_immutable(accounts: Accounts, release_keys: AccessKeys, image: dict[str, str]) -> None:
    """Even the release cannot push another image by the same commit."""
    ecr = accounts.production.client("ecr", release_keys)
    with pytest.raises(ClientError, match="ImageTagAlreadyExists"):
        ecr.put_image(repositoryName="loudhailer", imageManifest=MANIFEST + "\n", imageTag=COMMIT)
    (found,) = ecr.describe_images(repositoryName="loudhailer")["imageDetails"]
    assert found["imageDigest"] == image["digest"]


def test_other_accounts_read_a_release_and_no_state(
    accounts: Accounts, release_keys: AccessKeys, apply_keys: AccessKeys
) -> None:
    """The manifest that main wrote is read by the deployment to dev, which sees nothing else of that bucket."""
    key = f"releases/{COMMIT}.json"
    accounts.production.client("s3", release_keys).put_object(
        Bucket=RELEASES, Key=key, Body=b'{"v":1}', IfNoneMatch="*"
    )
    s3 = accounts.dev.client("s3", apply_keys)
    assert s3.get_object(Bucket=RELEASES, Key=key)["Body"].read() == b'{"v":1}'
    are_refused(
        lambda: s3.get_object(Bucket=RELEASES, Key="registry.tfstate"),
        lambda: s3.put_object(Bucket=RELEASES, Key=key, Body=b"{}"),
        lambda: s3.list_objects_v2(Bucket=RELEASES),
    )


def test_a_manifest_is_written_once(accounts: Accounts, release_keys: AccessKeys) -> None:
    """Permission to write another one would choose the deployed image: nobody else has it."""
    key = "releases/fedcba9876543210fedcba9876543210fedcba98.json"
    release = accounts.production.client("s3", release_keys)
    are_refused(lambda: release.put_object(Bucket=RELEASES, Key=key, Body=b"{}"))
    release.put_object(Bucket=RELEASES, Key=key, Body=b'{"v":1}', IfNoneMatch="*")
    with pytest.raises(ClientError, match="PreconditionFailed"):
        release.put_object(Bucket=RELEASES, Key=key, Body=b"{}", IfNoneMatch="*")
    with somebody_with(accounts.production, EVERYTHING) as keys:
        s3 = accounts.production.client("s3", keys)
        are_refused(
            lambda: s3.put_object(Bucket=RELEASES, Key=key, Body=b"{}"),
            lambda: s3.put_object(Bucket=RELEASES, Key=key, Body=b"{}", IfMatch="*"),
            lambda: s3.create_multipart_upload(Bucket=RELEASES, Key=key),
            lambda: s3.copy_object(
                Bucket=RELEASES, Key=key, CopySource={"Bucket": RELEASES, "Key": "registry.tfstate"}
            ),
            lambda: s3.delete_object(Bucket=RELEASES, Key=key),
            lambda: s3.delete_object(Bucket=RELEASES, Key=key, VersionId="null"),
        )
        assert s3.get_object(Bucket=RELEASES, Key=key)["Body"].read() == b'{"v":1}'


@contextmanager
def somebody_with(account: RegistryAccount, policy: str) -> Iterator[AccessKeys]:
    """The keys of a role, for the block, that an administrator has made with this policy."""
    name, iam = "somebody", account.client("iam")
    anyone = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account.account_id}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="policy", PolicyDocument=policy)
    try:
        yield account.keys_of(role)
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="policy")
        iam.delete_role(RoleName=name)


def test_a_pull_request_sees_no_changes_in_the_hub_that_ci_applied(hub: RegistryAccount, plan_keys: AccessKeys) -> None:
    """The role for plans reads all that a plan reads."""
    hub.use_bucket("hub", "-reconfigure", keys=plan_keys)
    arguments = ("plan", "-detailed-exitcode", "-input=false", "-no-color", "-parallelism=50")
    assert "No changes." in hub.terraform("hub", *arguments, "-lock=false", keys=plan_keys).stdout
    assert "Error acquiring the state lock" in hub.terraform("hub", *arguments, keys=plan_keys, code=1).stdout


def test_a_pull_request_changes_nothing(hub: RegistryAccount, plan_keys: AccessKeys) -> None:
    """Not the state, not a function, not a role."""
    are_refused(
        lambda: hub.client("s3", plan_keys).put_object(Bucket=BUCKET, Key="hub.tfstate", Body=b"{}"),
        lambda: hub.client("lambda", plan_keys).delete_function(FunctionName="loudhailer-dev-swarm"),
        lambda: hub.client("iam", plan_keys).delete_role(RoleName="loudhailer-dev-swarm"),
        lambda: hub.client("dynamodb", plan_keys).scan(TableName="loudhailer-dev-sessions"),
    )


def test_every_role_that_ci_made_is_within_the_boundary(hub: RegistryAccount) -> None:
    """Each has it, and what its policy allows is no more: it works as well as without."""
    iam = hub.client("iam")
    document = iam.get_policy_version(PolicyArn=BOUNDARY, VersionId="v1")["PolicyVersion"]["Document"]
    bounded = {action for statement in document["Statement"] for action in statement["Action"]}
    roles = [
        role["RoleName"]
        for page in iam.get_paginator("list_roles").paginate()
        for role in page["Roles"]
        if role["Path"] == PATH
    ]
    assert len(roles) > 20
    for name in roles:
        assert iam.get_role(RoleName=name)["Role"]["PermissionsBoundary"]["PermissionsBoundaryArn"] == BOUNDARY
        for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
            own = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
            assert {action for statement in own["Statement"] for action in statement["Action"]} <= bounded, name


def test_ci_cannot_extend_its_own_permissions(hub: RegistryAccount, apply_keys: AccessKeys) -> None:
    """No role without the boundary, none taken out of it, and nothing changed of what CI itself is made of."""
    iam = hub.client("iam", apply_keys)
    role, ci = "loudhailer-dev-swarm", "loudhailer-dev-apply"
    are_refused(
        lambda: iam.create_role(RoleName="loudhailer-dev-free", Path=PATH, AssumeRolePolicyDocument=TRUST),
        lambda: iam.create_role(
            RoleName="loudhailer-dev-free",
            Path=PATH,
            AssumeRolePolicyDocument=TRUST,
            PermissionsBoundary="arn:aws:iam::aws:policy/AdministratorAccess",
        ),
        lambda: iam.create_role(
            RoleName="loudhailer-dev-free", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=BOUNDARY
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


@pytest.fixture
def role_of_somebody_else(hub: RegistryAccount) -> Iterator[str]:
    """A role of the same account that only happens to bear the deployment's prefix; an administrator made it."""
    name, iam = "loudhailer-dev-auditor", hub.client("iam")
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST, PermissionsBoundary=BOUNDARY)
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=EVERYTHING)
    yield name
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


def test_ci_cannot_change_roles_outside_its_path(
    hub: RegistryAccount, apply_keys: AccessKeys, role_of_somebody_else: str
) -> None:
    """A principal that changes its trust, or passes it to a function, has its rights."""
    iam, name = hub.client("iam", apply_keys), role_of_somebody_else
    are_refused(
        lambda: iam.update_assume_role_policy(RoleName=name, PolicyDocument=TRUST),
        lambda: iam.update_role(RoleName=name, MaxSessionDuration=7200),
        lambda: iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=EVERYTHING),
        lambda: iam.delete_role_policy(RoleName=name, PolicyName="everything"),
        lambda: iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary=BOUNDARY),
        lambda: iam.attach_role_policy(RoleName=name, PolicyArn=POLICY_OF_API_LOGS),
        lambda: iam.tag_role(RoleName=name, Tags=[{"Key": "a", "Value": "b"}]),
        lambda: iam.delete_role(RoleName=name),
    )


def test_ci_passes_only_roles_of_its_deployment_to_known_services(
    hub: RegistryAccount, apply_keys: AccessKeys, role_of_somebody_else: str
) -> None:
    """A function in a foreign role, or a rule that acts in one, would have that role's rights."""
    own = f"arn:aws:iam::{ACCOUNTS['dev']}:role{PATH}{FUNCTION}"
    others = f"arn:aws:iam::{ACCOUNTS['dev']}:role/{role_of_somebody_else}"
    lambda_, events = hub.client("lambda", apply_keys), hub.client("events", apply_keys)
    rule = hub.client("events").list_rules(NamePrefix="loudhailer-dev-")["Rules"][0]["Name"]
    target = hub.client("events").list_targets_by_rule(Rule=rule)["Targets"][0]
    lambda_.update_function_configuration(FunctionName=FUNCTION, Role=own)
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        lambda_.update_function_configuration(FunctionName=FUNCTION, Role=others)
    with pytest.raises(ClientError, match="not authorized to perform: iam:PassRole"):
        events.put_targets(Rule=rule, Targets=[target | {"RoleArn": own}])


def test_ci_reads_only_the_state_and_history_of_its_own_stack(
    hub: RegistryAccount, plan_keys: AccessKeys, apply_keys: AccessKeys
) -> None:
    """The state of the registry says what CI's own roles are made of, and is an administrator's."""
    hub.client("s3").put_object(Bucket=BUCKET, Key="another.tfstate", Body=b"{}")
    for keys in (plan_keys, apply_keys):
        s3 = hub.client("s3", keys)
        assert json.loads(s3.get_object(Bucket=BUCKET, Key="hub.tfstate")["Body"].read())["version"] == 4
        reads = [
            lambda s3=s3, key=key: s3.get_object(Bucket=BUCKET, Key=key)
            for key in ("registry.tfstate", "another.tfstate", "subscriber.tfstate", "history/subscriber.json")
        ]
        are_refused(*reads)
    s3 = hub.client("s3", apply_keys)
    are_refused(
        lambda: s3.put_object(Bucket=BUCKET, Key="subscriber.tfstate", Body=b"{}"),
        lambda: s3.put_object(Bucket=BUCKET, Key="history/subscriber.json", Body=b"{}"),
    )


@pytest.fixture
def open_to_all(accounts: Accounts) -> Iterator[tuple[str, str]]:
    """A queue and a role of another account, named as the deployment's, that admit every principal."""
    name = "loudhailer-dev-shard-99"
    sqs, iam = accounts.production.client("sqs"), accounts.production.client("iam")
    anybody = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    role = iam.create_role(
        RoleName=name, Path=PATH, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    )["Role"]["Arn"]
    queue_arn = f"arn:aws:sqs:eu-central-1:{ACCOUNTS['production']}:{name}"
    anybody = {"Effect": "Allow", "Action": "sqs:SendMessage", "Principal": "*", "Resource": queue_arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [anybody]})
    queue = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
    yield queue, role
    sqs.delete_queue(QueueUrl=queue)
    iam.delete_role(RoleName=name)


def test_a_role_with_every_permission_stays_within_the_boundary(
    hub: RegistryAccount, apply_keys: AccessKeys, open_to_all: tuple[str, str]
) -> None:
    """The boundary is what counts: a policy that allows everything opens no other service."""
    name = "loudhailer-dev-greedy"
    queue, role = open_to_all
    admin, iam = hub.client("iam"), hub.client("iam", apply_keys)
    anyone = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": ACCOUNTS["dev"]}}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [anyone]})
    made = iam.create_role(RoleName=name, Path=PATH, AssumeRolePolicyDocument=trust, PermissionsBoundary=BOUNDARY)[
        "Role"
    ]
    iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=EVERYTHING)
    try:
        keys = hub.keys_of(made["Arn"])
        assert hub.client("dynamodb", keys).scan(TableName="loudhailer-dev-sessions")["Count"] == 0
        are_refused(
            lambda: hub.client("iam", keys).list_roles(),
            lambda: hub.client("s3", keys).get_object(Bucket=BUCKET, Key="hub.tfstate"),
            lambda: hub.client("dynamodb", keys).delete_table(TableName="loudhailer-dev-sessions"),
            lambda: hub.client("sqs", keys).send_message(QueueUrl=queue, MessageBody="x"),
            lambda: hub.client("sts", keys).assume_role(RoleArn=role, RoleSessionName="greedy"),
            lambda: hub.client("sns", keys).publish(TopicArn=TOPIC, Message="x"),
        )
    finally:
        admin.delete_role_policy(RoleName=name, PolicyName="everything")
        admin.delete_role(RoleName=name)


@pytest.mark.nightly
def test_a_pull_request_sees_no_changes_in_the_subscriber_that_ci_applied(
    subscriber: RegistryAccount, blue_plan_keys: AccessKeys
) -> None:
    """The role for plans reads all that a plan reads, in the subscriber's account too."""
    subscriber.use_bucket("subscriber", "-reconfigure", keys=blue_plan_keys)
    arguments = ("plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false")
    assert "No changes." in subscriber.terraform("subscriber", *arguments, keys=blue_plan_keys).stdout


def test_the_subscribers_state_and_role_are_in_its_own_account(subscriber: RegistryAccount) -> None:
    """The hub's account has neither."""
    state = subscriber.client("s3").get_object(Bucket=subscriber.bucket, Key="subscriber.tfstate")["Body"].read()
    assert json.loads(state)["outputs"]["functions"]["value"] == {"post_message": FUNCTION}
    boundary = subscriber.client("iam").get_role(RoleName=FUNCTION)["Role"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == f"arn:aws:iam::{BLUE}:policy/ci/loudhailer-dev-boundary"


@pytest.fixture(scope="module")
def shift(subscriber: RegistryAccount, blue_apply_keys: AccessKeys) -> Shift:
    """A version that an apply has published, and the alias does not lead to yet."""
    functions = subscriber.client("lambda", blue_apply_keys)
    functions.update_function_configuration(FunctionName=FUNCTION, Description="The next version.")
    functions.publish_version(FunctionName=FUNCTION)
    (pending,) = Traffic(functions, [FUNCTION]).pending()
    return pending


def test_a_release_shifts_the_traffic_and_rolls_it_back(
    subscriber: RegistryAccount, blue_apply_keys: AccessKeys, image: dict[str, str], shift: Shift
) -> None:
    """The traffic goes to a share, back to none, to all of it, and back to the digest that ran before."""
    traffic = Traffic(subscriber.client("lambda", blue_apply_keys), [FUNCTION])
    assert traffic.images() == {FUNCTION: image["digest"]}
    traffic.weigh([shift], 0.1)
    assert traffic.unfinished() == [FUNCTION]
    traffic.take_back([shift])
    assert traffic.unfinished() == []
    assert traffic.pending() == [shift]
    traffic.finish([shift])
    assert traffic.pending() == []
    assert traffic.return_to(image["digest"]) == {FUNCTION: shift.newest}


def test_a_release_reads_the_logs_of_the_new_version(
    subscriber: RegistryAccount, blue_apply_keys: AccessKeys, blue_plan_keys: AccessKeys, shift: Shift
) -> None:
    """Its errors, which a plan does not get to see."""
    now = datetime.now(UTC)
    error = '{"level":"ERROR","message":"broken"}'
    log = {"logGroupName": f"/aws/lambda/{FUNCTION}", "logStreamName": f"{now:%Y/%m/%d}/[{shift.newest}]0123"}
    logs = subscriber.client("logs")
    logs.create_log_stream(**log)
    logs.put_log_events(**log, logEvents=[{"timestamp": int(now.timestamp() * 1000), "message": error}])
    version = (FUNCTION, shift.newest, now.timestamp() - 1, now.timestamp() + 1)
    lines = ErrorLog(subscriber.client("logs", blue_apply_keys)).lines(*version)
    assert [line for _, line in lines] == [error]
    are_refused(lambda: [*ErrorLog(subscriber.client("logs", blue_plan_keys)).lines(*version)])


def test_a_release_is_recorded(subscriber: RegistryAccount, blue_apply_keys: AccessKeys, image: dict[str, str]) -> None:
    """Beside the state, in the subscriber's own bucket."""
    release = Manifest.now(COMMIT, Image(**image))
    history = History(subscriber.client("s3", blue_apply_keys), subscriber.bucket, "subscriber")
    history.append(Action.PROMOTED, release, release.commit)
    assert [entry.manifest for entry in history.entries()] == [release]


def test_a_pull_request_moves_no_traffic(subscriber: RegistryAccount, blue_plan_keys: AccessKeys, shift: Shift) -> None:
    """It sees where it goes."""
    functions = subscriber.client("lambda", blue_plan_keys)
    assert Traffic(functions, [FUNCTION]).unfinished() == []
    are_refused(lambda: functions.update_alias(FunctionName=FUNCTION, Name=ALIAS, FunctionVersion=shift.stable))


def test_a_health_check_keeps_its_own_tenant_and_touches_no_other(hub: RegistryAccount, apply_keys: AccessKeys) -> None:
    """In the hub's account, where tenants are."""
    dynamodb = hub.client("dynamodb", apply_keys)
    tenants = DynamoTenantStore(dynamodb, TENANTS)
    tenants.put(SYNTHETIC)
    assert tenants.get(SYNTHETIC.tenant_id) == SYNTHETIC
    own, other = {"tenantId": {"S": SYNTHETIC.tenant_id}}, {"tenantId": {"S": "gold"}}
    are_refused(
        lambda: dynamodb.put_item(TableName=TENANTS, Item=other),
        lambda: dynamodb.get_item(TableName=TENANTS, Key=other),
        lambda: dynamodb.delete_item(TableName=TENANTS, Key=own),
        lambda: dynamodb.scan(TableName=TENANTS),
        lambda: dynamodb.put_item(TableName="loudhailer-dev-sessions", Item={**own, "sessionId": {"S": "s"}}),
    )
