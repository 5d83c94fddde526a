"""Several accounts in one local AWS: queues that are read from another one, and who a role's session is."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.aws.running import ACCOUNT, LocalAws, Notebook, package
from tests.support.aws import SECRET
from tests.support.waiting import wait_until

READER = "222222222222"
READS = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
NOTES_AND_SUCCEEDS = """
def handler(event, context):
    note([record["body"] for record in event["Records"]])
"""


@dataclass
class Reader:
    """A function in another account, with a role that may read one queue of this one."""

    local_aws: LocalAws
    queue_url: str
    queue_arn: str
    name: str
    notebook: Notebook = field(init=False)

    def __post_init__(self) -> None:
        self.notebook = Notebook(self.local_aws.folder / f"{self.name}.jsonl")
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        role = iam.create_role(RoleName=self.name, AssumeRolePolicyDocument=policy(trust))["Role"]["Arn"]
        self.give_role(*READS)
        self.client("lambda").create_function(
            FunctionName=self.name,
            Runtime="python3.13",
            Handler="code.handler",
            Role=role,
            Code={"ZipFile": package(NOTES_AND_SUCCEEDS)},
            Environment={"Variables": {"NOTEBOOK": str(self.notebook.path)}},
        )

    @property
    def role_arn(self) -> str:
        """The function's role."""
        return f"arn:aws:iam::{READER}:role/{self.name}"

    def client(self, service: str, region: str = "us-east-1") -> Any:
        """A client of the reader's account."""
        session: Any = boto3.session.Session(aws_access_key_id=READER, aws_secret_access_key=SECRET)
        return session.client(service, endpoint_url=self.local_aws.endpoint, region_name=region)

    def give_role(self, *actions: str) -> None:
        """Actions that the function's role may take with the queue."""
        self.client("iam").put_role_policy(
            RoleName=self.name,
            PolicyName="reads",
            PolicyDocument=policy({"Effect": "Allow", "Action": [*actions], "Resource": self.queue_arn}),
        )

    def let(self, role_arn: str, *actions: str) -> None:
        """The queue's policy lets a role of the reader's account do this."""
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{READER}:root"},
            "Action": [*actions],
            "Resource": self.queue_arn,
            "Condition": {"ArnEquals": {"aws:PrincipalArn": role_arn}},
        }
        self.set_policy(policy(statement))

    def set_policy(self, document: str) -> None:
        """The queue's policy."""
        self.local_aws.client("sqs").set_queue_attributes(QueueUrl=self.queue_url, Attributes={"Policy": document})

    def map(self, queue_arn: str | None = None) -> str:
        """Map the queue to the function; the mapping's id."""
        return str(
            self.client("lambda").create_event_source_mapping(
                EventSourceArn=queue_arn or self.queue_arn, FunctionName=self.name, BatchSize=1
            )["UUID"]
        )

    def send(self, body: str) -> None:
        """A message of the queue's own account."""
        self.local_aws.client("sqs").send_message(QueueUrl=self.queue_url, MessageBody=body)


def policy(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def reader(local_aws: LocalAws) -> Reader:
    """A reader that the queue's policy does not name yet."""
    return Reader(local_aws, *local_aws.queue(), local_aws.name("reader"))


def refused(call: Callable[..., object], text: str) -> None:
    """The call is refused as not valid, in these words."""
    with pytest.raises(ClientError, match=text) as caught:
        call()
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


@pytest.mark.emulator_contract
def test_a_queue_is_read_from_another_account_if_its_policy_allows_the_functions_role(reader: Reader) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-cross-account-example.html."""
    reader.let(reader.role_arn, *READS)
    reader.map()
    reader.send("one")
    assert reader.notebook.await_entries(1) == [["one"]]
    depths = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    ask = partial(reader.local_aws.client("sqs").get_queue_attributes, QueueUrl=reader.queue_url, AttributeNames=depths)
    assert wait_until(lambda: set(ask()["Attributes"].values()) == {"0"})


@pytest.mark.parametrize("lacking", READS)
def test_a_mapping_needs_every_right_in_the_queues_policy_and_in_the_role(reader: Reader, lacking: str) -> None:
    """Across accounts both must allow."""
    others = [action for action in READS if action != lacking]
    words = f"does not have permissions to call {lacking.removeprefix('sqs:')} on SQS"
    refused(reader.map, "does not have permissions")
    reader.let(reader.role_arn, *others)
    refused(reader.map, words)
    reader.let(reader.role_arn, *READS)
    reader.give_role(*others)
    refused(reader.map, words)


def test_a_queue_that_lets_another_role_of_the_account_read_is_not_read(reader: Reader) -> None:
    """The account is the principal; the condition names the role, not its sessions."""
    reader.let(f"{reader.role_arn}-2", *READS)
    refused(reader.map, "ReceiveMessage")
    reader.let(f"arn:aws:sts::{READER}:assumed-role/{reader.name}/{reader.name}", *READS)
    refused(reader.map, "ReceiveMessage")


def test_a_queue_of_another_region_is_not_read(reader: Reader) -> None:
    """Lambda reads a queue in its own Region: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html."""
    reader.let(reader.role_arn, *READS)
    refused(lambda: reader.map(reader.queue_arn.replace("us-east-1", "eu-west-1")), "must be in the same region")


def test_a_mapping_that_loses_its_permissions_stops_reading(reader: Reader) -> None:
    """The message waits for a reader that may."""
    reader.let(reader.role_arn, *READS)
    mapping = reader.map()
    reader.send("before")
    reader.notebook.await_entries(1)
    reader.set_policy("")
    reader.send("after")
    _, notebook = reader.local_aws.deploy(NOTES_AND_SUCCEEDS)
    reader.local_aws.connect(reader.queue_arn, notebook.path.stem, BatchSize=1)
    assert notebook.await_entries(1) == [["after"]]
    assert reader.notebook.entries() == [["before"]]
    reader.client("lambda").delete_event_source_mapping(UUID=mapping)


@pytest.mark.emulator_contract
def test_a_role_is_assumed_from_another_account_by_the_named_role_with_the_external_id_alone(
    local_aws: LocalAws, reader: Reader
) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html."""
    name = local_aws.name("cell")
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": f"arn:aws:iam::{READER}:root"},
        "Condition": {
            "ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{READER}:role/{name}-trusted"},
            "StringEquals": {"sts:ExternalId": "12345"},
        },
    }
    local_aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=policy(trust))
    arn = f"arn:aws:iam::{ACCOUNT}:role/{name}"
    iam = reader.client("iam")
    assumed = set()
    for role in (f"{name}-trusted", f"{name}-other"):
        anyone = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": f"arn:aws:iam::{READER}:root"}}
        own = iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy(anyone))["Role"]["Arn"]
        iam.put_role_policy(
            RoleName=role,
            PolicyName="assumes",
            PolicyDocument=policy({"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": arn}),
        )
        keys = reader.client("sts").assume_role(RoleArn=own, RoleSessionName="tests")["Credentials"]
        session: Any = boto3.session.Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        sts = session.client("sts", endpoint_url=local_aws.endpoint, region_name="us-east-1")
        for external in ({"ExternalId": "12345"}, {"ExternalId": "54321"}, {}):
            with suppress(ClientError):
                sts.assume_role(RoleArn=arn, RoleSessionName="tests", **external)
                assumed.add((role.removeprefix(name), external.get("ExternalId")))
    assert assumed == {("-trusted", "12345")}


@pytest.mark.emulator_contract
def test_another_account_can_subscribe_only_the_queue_named_in_the_topics_policy(local_aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/sns/latest/dg/sns-send-message-to-sqs-cross-account.html."""
    sns, name = local_aws.client("sns"), local_aws.name("topic")
    topic = sns.create_topic(Name=name)["TopicArn"]
    session: Any = boto3.session.Session(aws_access_key_id=READER, aws_secret_access_key=SECRET)
    there = partial(session.client, endpoint_url=local_aws.endpoint, region_name="us-east-1")
    sqs, queue_arn = there("sqs"), f"arn:aws:sqs:us-east-1:{READER}:{name}"
    from_topic = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
    may_send = policy({**from_topic, "Resource": queue_arn, "Condition": {"ArnEquals": {"aws:SourceArn": topic}}})
    queue_url = sqs.create_queue(QueueName=name, Attributes={"Policy": may_send})["QueueUrl"]
    sqs.create_queue(QueueName=f"{name}-2")
    may_subscribe = {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{READER}:root"},
        "Action": "sns:Subscribe",
        "Resource": topic,
        "Condition": {"StringEquals": {"sns:Protocol": "sqs", "sns:Endpoint": queue_arn}},
    }
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy(may_subscribe))
    subscribe = partial(there("sns").subscribe, TopicArn=topic, Attributes={"RawMessageDelivery": "true"})
    for protocol, endpoint in (("sqs", f"{queue_arn}-2"), ("https", "https://evil.example/")):
        with pytest.raises(ClientError, match="not authorized"):
            subscribe(Protocol=protocol, Endpoint=endpoint)
    subscribe(Protocol="sqs", Endpoint=queue_arn)
    sns.publish(TopicArn=topic, Message="one")
    found = sqs.receive_message(QueueUrl=queue_url, WaitTimeSeconds=10)["Messages"]
    assert [message["Body"] for message in found] == ["one"]
