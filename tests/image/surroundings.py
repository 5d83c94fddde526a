"""What a function in a container works on: tables and queues of the local AWS, and a management API."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.contract.tables import KEYS, TableKind
from tests.unit.delivery.management_api import ManagementApi

type Item = dict[str, Any]


@dataclass(frozen=True)
class Surroundings:
    """The tables, queues and API that the variables of all functions name."""

    aws: Callable[[str], Any]
    variables: Mapping[str, str]
    management_api: ManagementApi

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
            queue, sqs = url.rpartition("/")[2], self.aws("sqs")
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
            assert request.connection not in frames, f"a second post to {request.connection}: {request.body!r}"
            frames[request.connection] = json.loads(request.body)
        return frames

    @staticmethod
    def queue_urls(variables: Mapping[str, str]) -> list[str]:
        """Every queue that the variables name."""
        single = [url for name, url in variables.items() if name.endswith("_QUEUE_URL")]
        return [*single, *json.loads(variables["SHARD_QUEUE_URLS"])]

    def _table(self, kind: TableKind) -> str:
        return self.variables[f"{kind.upper()}_TABLE"]


def _key(table: TableKind, row: Item) -> Item:
    return {name: row[name] for name in KEYS[table]}
