"""The surroundings of a function: tables, queues, a topic and a management API; and its golden event."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

from loudhailer.aws.rows import Item
from tests.support.aws import SECRET
from tests.support.lambda_environment import ACCOUNT, VARIABLES
from tests.support.management_api import ManagementApi, running
from tests.support.tables import KEYS, TableKind, create_table

_EVENTS = Path(__file__).parents[1] / "image" / "events"


@dataclass(frozen=True)
class Surroundings:
    """The tables, queues and API that the variables of all functions name."""

    aws: Callable[[str], Any]
    variables: Mapping[str, str]
    management_api: ManagementApi
    name: str = ""
    """Queues are named `bench-...`, and this before it."""

    def fill(self, rows: Mapping[TableKind, list[Item]]) -> None:
        """Put rows into tables, and what else was in these is gone."""
        dynamodb = self.aws("dynamodb")
        for table, items in rows.items():
            name = self._table(table)
            for old in dynamodb.scan(TableName=name)["Items"]:
                dynamodb.delete_item(TableName=name, Key=_key(table, old))
            for item in items:
                dynamodb.put_item(TableName=name, Item=item)

    def row(self, table: TableKind, like: Item) -> Item | None:
        """The row that has the key of this one."""
        answer = self.aws("dynamodb").get_item(TableName=self._table(table), Key=_key(table, like))
        found: Item | None = answer.get("Item")
        return found

    def taken_messages(self) -> dict[str, Any]:
        """The body of the message in each queue that has one, by the queue's name, and the queues are empty again."""
        bodies: dict[str, Any] = {}
        for url in self.queue_urls(self.variables):
            queue, sqs = url.rpartition("/")[2].removeprefix(self.name), self.aws("sqs")
            for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
                assert queue not in bodies, f"a second message in {queue}: {message['Body']}"
                bodies[queue] = json.loads(message["Body"])
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return bodies

    def taken_posts(self) -> dict[str, Any]:
        """The frame that each connection was posted, and none is left."""
        frames: dict[str, Any] = {}
        while self.management_api.requests:
            request = self.management_api.requests.pop()
            if request.method == "GET":
                continue
            assert request.connection not in frames, f"a second post to {request.connection}: {request.body!r}"
            frames[request.connection] = json.loads(request.body)
        return frames

    def subscribed_queue(self) -> str:
        """The URL of a new queue that subscribes to the topic."""
        sqs, topic = self.aws("sqs"), self.variables["BROADCAST_TOPIC_ARN"]
        may_send = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage"}
        policy = _policy({**may_send, "Resource": "*", "Condition": {"ArnEquals": {"aws:SourceArn": topic}}})
        url: str = sqs.create_queue(QueueName=f"{self.name}subscribed", Attributes={"Policy": policy})["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.aws("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        return url

    @staticmethod
    def queue_urls(variables: Mapping[str, str]) -> list[str]:
        """Every queue that the variables name."""
        single = [url for name, url in variables.items() if name.endswith("_QUEUE_URL")]
        return [*single, *json.loads(variables["SHARD_QUEUE_URLS"])]

    def _table(self, kind: TableKind) -> str:
        return self.variables[f"{kind.upper()}_TABLE"]


@contextmanager
def made(aws: Callable[[str], Any], endpoint: str) -> Iterator[Surroundings]:
    """New tables, queues, a topic and roles to assume, on the local AWS at the endpoint, and where to post."""
    name = f"{uuid4().hex[:8]}-"
    named = {
        key: value.replace("bench-", f"{name}bench-") if key.endswith(("_URL", "_URLS", "_ARN")) else value
        for key, value in VARIABLES.items()
    }
    tables = {f"{kind.upper()}_TABLE": create_table(aws("dynamodb"), kind) for kind in KEYS}
    for url in Surroundings.queue_urls(named):
        aws("sqs").create_queue(QueueName=url.rpartition("/")[2])
    aws("sns").create_topic(Name=named["BROADCAST_TOPIC_ARN"].rpartition(":")[2])
    trust = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"AWS": ACCOUNT}}
    rights = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    for role in (named[variable].rpartition("/")[2] for variable in ("TENANT_ROLE_ARN", "HUB_ROLE_ARN")):
        aws("iam").create_role(RoleName=role, AssumeRolePolicyDocument=_policy(trust))
        aws("iam").put_role_policy(RoleName=role, PolicyName="rows", PolicyDocument=_policy(rights))
    with running() as api:
        here = {"AWS_ENDPOINT_URL": endpoint, "AWS_SECRET_ACCESS_KEY": SECRET, "CALLBACK_ENDPOINT": api.endpoint}
        hub = {f"HUB_{name}": table for name, table in tables.items() if f"HUB_{name}" in named}
        yield Surroundings(aws, {**named, **tables, **hub, **here}, api, name)


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def contains(answer: Any, wanted: Any) -> bool:
    """Tell whether an answer has all that is wanted; objects may have more."""
    if isinstance(wanted, dict):
        return isinstance(answer, dict) and all(contains(answer.get(key), wanted[key]) for key in wanted)
    return bool(answer == wanted)


@dataclass(frozen=True)
class Golden:
    """An event, and what comes of it: an answer, and the effect that it has and no other.

    Attributes:
        rows: all that tables hold before it, by table.
        messages: what is sent, by queue.
        posts: the frames that are posted, by connection.
        written: a row that is there after it, by table.
        deleted: the key of a row that is there no more, by table.
    """

    event: Any
    answer: Any
    rows: dict[TableKind, list[Any]] = field(default_factory=dict)
    messages: dict[str, Any] = field(default_factory=dict)
    posts: dict[str, Any] = field(default_factory=dict)
    written: dict[TableKind, Any] = field(default_factory=dict)
    deleted: dict[TableKind, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, function: str, surroundings: Surroundings) -> Self:
        """A function's; what is posted goes to the management API, and the shards are those of the surroundings."""
        text = (_EVENTS / f"{function}.json").read_text()
        text = text.replace(VARIABLES["CALLBACK_ENDPOINT"], surroundings.variables["CALLBACK_ENDPOINT"])
        return cls(**json.loads(text.replace(":bench-shard", f":{surroundings.name}bench-shard")))

    def check(self, answer: Any, surroundings: Surroundings) -> None:
        """Compare its effects with the expected ones."""
        assert contains(answer, self.answer), answer
        for found, wanted in (
            (surroundings.taken_messages(), self.messages),
            (surroundings.taken_posts(), self.posts),
        ):
            assert found.keys() == wanted.keys(), found
            assert contains(found, wanted), found
        for table, row in self.written.items():
            there = surroundings.row(table, row)
            assert contains(there, row), there
        for table, key in self.deleted.items():
            assert surroundings.row(table, key) is None


def _key(table: TableKind, row: Item) -> Item:
    return {name: row[name] for name in KEYS[table]}
