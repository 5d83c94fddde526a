"""Faults that break the system from outside; the functions have no hooks for them.

A worker can be killed at a moment of the test's choosing: it runs for a millisecond, is stopped, and in that state the
test checks its work so far.
"""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import psutil

from loudhailer.ids import HUB, CellName
from tests.e2e.system import System
from tests.support.waiting import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from mypy_boto3_sqs.literals import QueueAttributeNameType

_STEP_SECONDS = 0.001
_LOOK_SECONDS = 0.05
"""Seconds between looks for new workers while the others run in steps; none does anything so soon after its start."""

_TOLD = ("QueueArn", "Approximate", "CreatedTimestamp", "LastModifiedTimestamp")
"""Attributes of a queue that nobody sets."""


class Workers:
    """The workers of one of the system's functions, busy and idle; a container's processes are the machine's, too."""

    def __init__(self, system: System, function: str) -> None:
        self._identity = {
            "AWS_ENDPOINT_URL": system.deployment.access.endpoint,
            "AWS_LAMBDA_FUNCTION_NAME": system.deployment.functions[function],
        }

    def kill(self) -> int:
        """Kill all; how many there were."""
        found = self._find()
        for worker in found:
            with suppress(psutil.NoSuchProcess):
                worker.kill()
        return len(found)

    async def kill_when(self, happened: Callable[[], object]) -> asyncio.Task[None]:
        """Kill all as soon as something has happened, before they do anything more; until then they run slowly.

        They are known, and run slowly, once the task is there that ends with their death: looking for them among all
        processes takes longer than some of what they do.
        """
        workers = await asyncio.to_thread(self._find)
        return asyncio.create_task(asyncio.to_thread(self._kill_when, happened, workers))

    def _kill_when(self, happened: Callable[[], object], workers: list[psutil.Process]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        looked = time.monotonic()
        try:
            while not happened():
                if time.monotonic() - looked > _LOOK_SECONDS:
                    workers, looked = self._find(), time.monotonic()
                assert time.monotonic() < deadline, f"{self._identity} never did what it was to be killed for"
                _step(workers)
        finally:
            killed = self.kill()
        assert killed, f"no worker of {self._identity} was there"

    def _find(self) -> list[psutil.Process]:
        return [process for process in psutil.process_iter() if self._identity.items() <= _environment(process).items()]


def _step(workers: list[psutil.Process]) -> None:
    for action in (psutil.Process.resume, psutil.Process.suspend):
        for worker in workers:
            with suppress(psutil.NoSuchProcess):
                action(worker)
        if action is psutil.Process.resume:
            time.sleep(_STEP_SECONDS)


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


@contextmanager
def paused(system: System, *queues: str, cell: CellName = HUB) -> Iterator[None]:
    """Nothing is read from the queues of a cell during the block."""
    deployment = system.deployment.all_cells[cell]
    functions = deployment.client("lambda")
    mappings = [
        mapping["UUID"]
        for mapping in functions.list_event_source_mappings()["EventSourceMappings"]
        if mapping["EventSourceArn"].rpartition(":")[2] in {_name(deployment.queue_urls[queue]) for queue in queues}
    ]
    assert len(mappings) == len(queues)
    try:
        for mapping in mappings:
            functions.update_event_source_mapping(UUID=mapping, Enabled=False)
        yield
    finally:
        for mapping in mappings:
            functions.update_event_source_mapping(UUID=mapping, Enabled=True)


@contextmanager
def visible_again_after(system: System, seconds: int, *queues: str) -> Iterator[None]:
    """A message that is received during the block, and whose worker dies, is delivered again after so many seconds.

    Otherwise that takes half a minute, or a whole one; nothing else happens meanwhile.
    """
    urls = [system.queue(queue) for queue in queues]
    before = [
        system.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
        for url in urls
    ]
    for url in urls:
        system.sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(seconds)})
    try:
        yield
    finally:
        for url, attributes in zip(urls, before, strict=True):
            system.sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes)


@contextmanager
def without(system: System, queue: str) -> Iterator[None]:
    """The queue, which must be empty, is missing during the block: a sender to it gets an error."""
    url = system.queue(queue)
    attributes = system.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    tags = system.sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
    system.sqs.delete_queue(QueueUrl=url)
    try:
        yield
    finally:
        kept: Mapping[QueueAttributeNameType, str] = {
            name: value for name, value in attributes.items() if not name.startswith(_TOLD)
        }
        again = system.sqs.create_queue(QueueName=_name(url), Attributes=kept, tags=tags)
        assert again["QueueUrl"] == url


@contextmanager
def refused(system: System, function: str, queue: str) -> Iterator[None]:
    """The function may not send to the queue during the block; what is in the queue stays there, and is read."""
    answer = system.sqs.get_queue_attributes(QueueUrl=system.queue(queue), AttributeNames=["QueueArn"])
    with _denied(system, function, "sqs:SendMessage", answer["Attributes"]["QueueArn"]):
        yield


@contextmanager
def not_written(system: System, function: str, table: str) -> Iterator[None]:
    """The table takes no row from the function during the block, as if it throttled each of them."""
    arn = system.dynamodb.describe_table(TableName=system.table(table))["Table"]["TableArn"]
    with _denied(system, function, "dynamodb:PutItem", arn):
        yield


@contextmanager
def _denied(system: System, function: str, action: str, arn: str) -> Iterator[None]:
    role = system.functions.get_function_configuration(FunctionName=system.deployment.functions[function])["Role"]
    names = {"RoleName": role.rpartition("/")[2], "PolicyName": "refused"}
    statement = {"Effect": "Deny", "Action": action, "Resource": arn}
    iam = system.deployment.client("iam")
    iam.put_role_policy(**names, PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        yield
    finally:
        iam.delete_role_policy(**names)


async def taken(system: System, queue: str, broadcast_id: str) -> str:
    """The only message of a paused queue, which must be the broadcast's: it is taken out."""
    url = system.queue(queue)
    await eventually(lambda: system.waiting(queue))
    (message,) = system.sqs.receive_message(QueueUrl=url)["Messages"]
    assert broadcast_id in message["Body"]
    system.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return message["Body"]


def _name(url: str) -> str:
    return url.rpartition("/")[2]
