"""Three accounts on a stack of their own: the hub, and two subscribers that post for its cell.

Each stack is applied with its own account's credentials, and IAM is enforced: what is refused here, AWS would refuse.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sigv4 import Credentials as PostCredentials
from loudhailer.ids import ConnectionId
from tests.e2e.grants import GrantsAccount, TenantCredentials, allowed
from tests.e2e.invariants import Invariants
from tests.e2e.scene import Scene
from tests.e2e.system import System, running_system, started
from tests.support.decisions import disagreements
from tools.console import Terminal
from tools.emulator.aws.options import DECISIONS
from tools.stack.dependents import Dependent
from tools.stack.lifecycle import Stack
from tools.stack.local_aws import ACCOUNT, REGION
from tools.stack.project import Project
from tools.stack.subscribers import SUBSCRIBER_ACCOUNTS, subscriber_variables

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

BLUE, GREEN = SUBSCRIBER_ACCOUNTS["blue"], SUBSCRIBER_ACCOUNTS["green"]
STRANGER = "999999999999"
CROWD = 500
FEW = 100
NOBODY = ConnectionId("Nobody=")


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A stack with two subscribers, in place of the one that all other tests share."""
    decisions = tmp_path_factory.mktemp("decisions") / "decisions.jsonl"
    home = tmp_path_factory.mktemp("stacks")
    with running_system(home, "accounts", "--subscribers", "2", **{DECISIONS: str(decisions)}) as running:
        yield running
    assert disagreements(decisions) == []


class Subscriber:
    """A subscriber's account, its function, and the roles that the function can assume."""

    def __init__(self, system: System, name: str) -> None:
        self.cell: dict[str, Any] = system.deployment.outputs["subscribers"][name]
        self.account = GrantsAccount(system, self.cell["account_id"])
        self.function = f"{self.cell['prefix']}-post_message"
        self.role_arn: str = self.cell["role"]["arn"]
        (shard,) = self.cell["shards"].values()
        self.shard_url: str = shard["url"]

    @property
    def itself(self) -> TenantCredentials:
        """The function's own credentials."""
        return self.account.credentials_of(
            f"arn:aws:iam::{self.cell['account_id']}:role/{self.cell['prefix']}/{self.function}"
        )

    @property
    def for_the_cell(self) -> TenantCredentials:
        """Credentials of the cell's role, as the function takes it."""
        return self.account.session(self.itself, self.role_arn, ExternalId=self.cell["role"]["external_id"])

    def assumes(self, role_arn: str, **request: str) -> bool:
        """Tell whether its function can assume a role."""
        return self.account.assumes(self.itself, role_arn, **request)

    @contextmanager
    def down(self) -> Iterator[None]:
        """Its function reads nothing during the block."""
        functions: LambdaClient = self.account.client("lambda")
        (mapping,) = functions.list_event_source_mappings()["EventSourceMappings"]
        functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)
        try:
            yield
        finally:
            functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=True)


@pytest.fixture(scope="module")
def blue(system: System) -> Subscriber:
    """The first one."""
    return Subscriber(system, "blue")


@pytest.fixture(scope="module")
def green(system: System) -> Subscriber:
    """The second one."""
    return Subscriber(system, "green")


def queue_calls(account: GrantsAccount, credentials: TenantCredentials, url: str) -> set[str]:
    """Return the actions on a queue that these credentials allow."""
    sqs = account.client("sqs", credentials)
    calls = {
        "send": lambda: sqs.send_message(QueueUrl=url, MessageBody="forged", DelaySeconds=900),
        "receive": lambda: sqs.receive_message(QueueUrl=url, VisibilityTimeout=0),
        "purge": lambda: sqs.purge_queue(QueueUrl=url),
        "set": lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0"}),
    }
    return {name for name, call in calls.items() if allowed(call)}


def outcome_of_post(system: System, credentials: TenantCredentials) -> Outcome:
    """Return what becomes of a post to nobody."""
    keys = PostCredentials(
        credentials["aws_access_key_id"], credentials["aws_secret_access_key"], credentials["aws_session_token"]
    )
    sender = CurlSender(Lane(100.0, 0.0), lambda: keys, REGION)
    (outcome,) = sender.post(system.deployment.outputs["callback_endpoint"], [NOBODY], b"hello", seconds=5.0)
    return outcome


def test_a_plan_of_each_subscriber_shows_no_changes(system: System) -> None:
    """The resources applied in its account are there unchanged."""
    hub = system.loudhailer("terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert hub.returncode == 0, hub.stdout + hub.stderr
    stack = Stack(Project.of_this_code(), system.directory, Terminal(), subscriber_variables(2))
    for name in ("blue", "green"):
        terraform = stack.dependent_terraform(system.state, Dependent("subscriber", name))
        assert terraform.interactive(["plan", "-detailed-exitcode", "-input=false", "-no-color"]) == 0


async def test_a_broadcast_to_500_sockets_is_delivered_partly_by_each_account(scene: Scene) -> None:
    """The report says who delivered how much, and every socket got it once."""
    async with Invariants(scene) as invariants:
        await invariants.join(CROWD)
        broadcast_id = await invariants.publish()
        await invariants.hold()
        by_account = invariants.report(broadcast_id)["byAccount"]
        assert set(by_account) == {ACCOUNT, BLUE, GREEN}
        assert min(by_account.values()) > 0
        assert sum(by_account.values()) == CROWD


def test_the_cells_role_is_assumed_by_the_subscribers_function_with_its_external_id_alone(
    system: System, blue: Subscriber, green: Subscriber
) -> None:
    """Not without it, not with another one, not by another subscriber, and not by its account's root."""
    its_id, others_id = blue.cell["role"]["external_id"], green.cell["role"]["external_id"]
    assert blue.assumes(blue.role_arn, ExternalId=its_id)
    assert not blue.assumes(blue.role_arn)
    assert not blue.assumes(blue.role_arn, ExternalId="wrong")
    assert not blue.assumes(blue.role_arn, ExternalId=others_id)
    assert not blue.assumes(green.role_arn, ExternalId=others_id)
    assert not green.assumes(blue.role_arn, ExternalId=its_id)
    for account in (BLUE, GREEN, STRANGER):
        root = {"aws_access_key_id": account, "aws_secret_access_key": system.state.secret}
        assert not GrantsAccount(system, account).assumes(root, blue.role_arn, ExternalId=its_id)


def test_an_account_outside_the_map_has_no_access(system: System, blue: Subscriber) -> None:
    """Though its function has the name that a subscriber's has."""
    account = GrantsAccount(system, STRANGER)
    iam = account.client("iam")
    lambda_may = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    role = iam.create_role(
        RoleName=blue.function, Path=f"/{blue.cell['prefix']}/", AssumeRolePolicyDocument=document(lambda_may)
    )["Role"]["Arn"]
    iam.put_role_policy(RoleName=blue.function, PolicyName="everything", PolicyDocument=document(everything))
    stranger = account.credentials_of(role)
    assert not account.assumes(stranger, blue.role_arn, ExternalId=blue.cell["role"]["external_id"])
    assert queue_calls(account, stranger, blue.shard_url) == set()
    assert queue_calls(account, stranger, blue.cell["outcome_queue_url"]) == set()
    assert outcome_of_post(system, stranger) is Outcome.FAILED


def document(statement: dict[str, Any]) -> str:
    """A policy of one statement."""
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_subscriber_can_access_the_lanes_table_only(system: System, blue: Subscriber) -> None:
    """The cell's role reads the marks there and sets its own."""
    key = {"lanes": {"S": "marks"}}
    reached = []
    for credentials in (blue.itself, blue.for_the_cell):
        dynamodb = blue.account.client("dynamodb", credentials)
        for name in system.deployment.outputs["tables"].values():
            arn = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{name}"
            reached += [
                f"{call.__name__} {name}"
                for call, request in (
                    (dynamodb.get_item, {"Key": key}),
                    (dynamodb.update_item, {"Key": key}),
                    (dynamodb.put_item, {"Item": key}),
                    (dynamodb.delete_item, {"Key": key}),
                    (dynamodb.scan, {}),
                )
                if allowed(call, TableName=arn, **request)
            ]
    lanes = system.table("lanes")
    assert reached == [f"get_item {lanes}", f"update_item {lanes}"]


def test_a_subscriber_can_access_its_own_shard_only(system: System, blue: Subscriber, green: Subscriber) -> None:
    """Reading is its own function's, sending is the cell's role's; neither has the rights of the other."""
    itself, for_the_cell = blue.itself, blue.for_the_cell
    queues = {name: system.queue(name) for name in system.deployment.queue_urls if not name.endswith("fifo")}
    own = next(name for name, url in queues.items() if url == blue.shard_url)
    assert system.queue("shard-3") == green.shard_url
    as_itself = {name: calls for name, url in queues.items() if (calls := queue_calls(blue.account, itself, url))}
    assert as_itself == {own: {"receive"}}
    in_the_role = {
        name: calls for name, url in queues.items() if (calls := queue_calls(blue.account, for_the_cell, url))
    }
    assert in_the_role == {own: {"send"}, "outcome": {"send"}, "dead-letter": {"send"}}
    for name in in_the_role:
        system.sqs.purge_queue(QueueUrl=queues[name])


def test_a_subscriber_posts_with_the_cells_role_only(system: System, blue: Subscriber) -> None:
    """Only in the role is the API's account posted to; a post to nobody is in vain."""
    assert outcome_of_post(system, blue.itself) is Outcome.FAILED
    assert outcome_of_post(system, blue.for_the_cell) is Outcome.GONE


async def test_a_stopped_subscriber_delays_its_own_shard_only(scene: Scene, blue: Subscriber) -> None:
    """The others' frames arrive; its own wait in its queue, on whose age there is an alarm, until it is back."""
    (alarm,) = [
        alarm
        for alarm in blue.account.client("cloudwatch").describe_alarms()["MetricAlarms"]
        if alarm["MetricName"] == "Errors"
    ]
    assert alarm["Dimensions"] == [{"Name": "FunctionName", "Value": blue.function}]
    cloudwatch = scene.system.deployment.client("cloudwatch")
    (waiting,) = cloudwatch.describe_alarms(AlarmNames=[f"{blue.cell['prefix']}-shard-2-waiting"])["MetricAlarms"]
    assert waiting["MetricName"] == "ApproximateAgeOfOldestMessage"
    assert waiting["Dimensions"] == [{"Name": "QueueName", "Value": blue.shard_url.rpartition("/")[2]}]
    async with Invariants(scene) as invariants:
        await invariants.join(FEW)
        with blue.down():
            broadcast_id = await invariants.publish()
            await invariants.until(broadcast_id, dispatched=FEW, inFlight=FEW // 4)
            assert scene.system.waiting("shard-2") == 1
            assert BLUE not in invariants.report(broadcast_id)["byAccount"]
            assert invariants.got(broadcast_id) >= FEW - FEW // 4
        await invariants.hold()
        assert invariants.report(broadcast_id)["byAccount"][BLUE] == FEW // 4


@pytest.mark.nightly
async def test_an_account_is_removed_while_broadcasts_are_in_flight(scene: Scene, green: Subscriber) -> None:
    """Its shard is the cell's again. The cell posts its unfinished chunks, at worst once more; nothing is lost."""
    async with Invariants(scene) as invariants:
        await invariants.join(FEW)
        await scene.faults(latency_ms=500.0)
        async with started(scene.system.home, scene.system.name, "up", "--subscribers", "1") as command:
            while command.returncode is None:
                await invariants.publish()
                with suppress(TimeoutError):
                    await asyncio.wait_for(command.wait(), 1.0)
        assert command.returncode == 0
        await scene.faults()
        last = await invariants.publish()
        await invariants.hold(duplicates=None)
        by_account = invariants.report(last)["byAccount"]
        assert set(by_account) == {ACCOUNT, BLUE}
        assert by_account[BLUE] == FEW // 4
    assert green.account.client("lambda").list_functions()["Functions"] == []
    with pytest.raises(ClientError, match="NoSuchEntity"):
        GrantsAccount(scene.system).client("iam").get_role(RoleName=green.role_arn.rpartition("/")[2])
