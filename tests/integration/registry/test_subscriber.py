"""A subscriber that CI applies and plans in an account of its own, and what a release does there after its apply."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from loudhailer.tenancy.dynamodb import DynamoTenantStore
from tests.integration.registry.accounts import BLUE, Account, Keys, are_refused
from tests.integration.registry.conftest import COMMIT
from tools.release.health import SYNTHETIC, ErrorLog
from tools.release.manifest import Image, Manifest
from tools.release.store import Action, History
from tools.release.traffic import ALIAS, Shift, Traffic

FUNCTION = "loudhailer-dev-post_message"
TENANTS = "loudhailer-dev-tenants"


def test_a_pull_request_sees_no_changes_in_what_ci_applied(subscriber: Account, blue_plan_keys: Keys) -> None:
    """The role for plans reads all that a plan reads, in the subscriber's account too."""
    subscriber.use_bucket("subscriber", "-reconfigure", keys=blue_plan_keys)
    arguments = ("plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false")
    assert "No changes." in subscriber.terraform("subscriber", *arguments, keys=blue_plan_keys).stdout


def test_its_state_is_in_its_own_bucket_and_its_role_within_its_own_boundary(subscriber: Account) -> None:
    """The hub's account has neither."""
    state = subscriber.client("s3").get_object(Bucket=subscriber.bucket, Key="subscriber.tfstate")["Body"].read()
    assert json.loads(state)["outputs"]["functions"]["value"] == {"post_message": FUNCTION}
    boundary = subscriber.client("iam").get_role(RoleName=FUNCTION)["Role"]["PermissionsBoundary"]
    assert boundary["PermissionsBoundaryArn"] == f"arn:aws:iam::{BLUE}:policy/ci/loudhailer-dev-boundary"


@pytest.fixture(scope="module")
def shift(subscriber: Account, blue_apply_keys: Keys) -> Shift:
    """A version that an apply has published, and the alias does not lead to yet."""
    functions = subscriber.client("lambda", blue_apply_keys)
    functions.update_function_configuration(FunctionName=FUNCTION, Description="The next version.")
    functions.publish_version(FunctionName=FUNCTION)
    (pending,) = Traffic(functions, [FUNCTION]).pending()
    return pending


def test_a_release_shifts_the_traffic_and_takes_it_back(
    subscriber: Account, blue_apply_keys: Keys, image: dict[str, str], shift: Shift
) -> None:
    """By a share, back to none, to all of it, and back to the digest that ran before."""
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


def test_a_release_reads_what_the_new_version_logs(
    subscriber: Account, blue_apply_keys: Keys, blue_plan_keys: Keys, shift: Shift
) -> None:
    """Its errors, which a plan does not get to see."""
    now = datetime.now(UTC)
    error = '{"level":"ERROR","message":"broken"}'
    log = {"logGroupName": f"/aws/lambda/{FUNCTION}", "logStreamName": f"{now:%Y/%m/%d}/[{shift.newest}]0123"}
    logs = subscriber.client("logs")
    logs.create_log_stream(**log)
    logs.put_log_events(**log, logEvents=[{"timestamp": int(now.timestamp() * 1000), "message": error}])
    since = now - timedelta(seconds=1)
    problems = ErrorLog(subscriber.client("logs", blue_apply_keys)).problems([shift], since)
    assert problems == [f"version {shift.newest} of {FUNCTION} logs: {error}"]
    are_refused(lambda: ErrorLog(subscriber.client("logs", blue_plan_keys)).problems([shift], since))


def test_a_release_is_written_down(subscriber: Account, blue_apply_keys: Keys, image: dict[str, str]) -> None:
    """Beside the state, in the subscriber's own bucket."""
    release = Manifest.now(COMMIT, Image(**image))
    history = History(subscriber.client("s3", blue_apply_keys), subscriber.bucket, "subscriber")
    history.append(Action.PROMOTED, release, release.commit)
    assert [entry.manifest for entry in history.entries()] == [release]


def test_a_pull_request_moves_no_traffic(subscriber: Account, blue_plan_keys: Keys, shift: Shift) -> None:
    """It sees where it goes."""
    functions = subscriber.client("lambda", blue_plan_keys)
    assert Traffic(functions, [FUNCTION]).unfinished() == []
    are_refused(lambda: functions.update_alias(FunctionName=FUNCTION, Name=ALIAS, FunctionVersion=shift.stable))


def test_a_health_check_keeps_its_own_tenant_and_touches_no_other(hub: Account, apply_keys: Keys) -> None:
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
