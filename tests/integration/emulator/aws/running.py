"""A launcher of the local AWS, and small functions that note their events."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.support.aws import SECRET, with_secret
from tests.support.waiting import wait_until

ACCOUNT = "111111111111"
WORKERS_PER_FUNCTION = 3

# Every handler starts with this: `note` appends a line to the function's notebook, which the test reads.
_PRELUDE = """
import json, os, time

def note(entry):
    with open(os.environ["NOTEBOOK"], "a") as notebook:
        notebook.write(json.dumps(entry) + chr(10))
"""


@dataclass
class Notebook:
    """Notes of a function."""

    path: Path

    def entries(self) -> list[Any]:
        """Everything noted so far, in order."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def await_entries(self, number: int) -> list[Any]:
        """Everything noted, once there are `number` entries."""

        def enough() -> list[Any]:
            entries = self.entries()
            return entries if len(entries) >= number else []

        return wait_until(enough)


@dataclass
class LocalAws:
    """A running launcher and its clients."""

    process: subprocess.Popen[str]
    endpoint: str
    folder: Path
    _numbers: Iterator[int] = field(default_factory=count)

    def client(self, service: str) -> Any:
        """A boto3 client of `service`."""
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key=SECRET,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def name(self, kind: str) -> str:
        """A name that nothing else has."""
        return f"{kind}-{next(self._numbers)}"

    def deploy(self, body: str, *, reserved: int | None = None, timeout: int = 10) -> tuple[str, Notebook]:
        """A function with the given source, behind the alias `live`; its name and its notebook."""
        name = self.name("function")
        role = self._role(name)
        notebook = Notebook(self.folder / f"{name}.jsonl")
        lambda_ = self.client("lambda")
        lambda_.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="code.handler",
            Role=role,
            Code={"ZipFile": package(body)},
            Environment={"Variables": {"NOTEBOOK": str(notebook.path)}},
            Timeout=timeout,
            Publish=True,
        )
        if reserved is not None:
            lambda_.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=reserved)
        lambda_.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        return name, notebook

    def _role(self, name: str) -> str:
        """A role that Lambda may take, and that may do everything: what is tried here is not IAM."""
        iam = self.client("iam")
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        iam.put_role_policy(RoleName=name, PolicyName="everything", PolicyDocument=_policy(everything))
        return str(role)

    def queue(self, **attributes: str) -> tuple[str, str]:
        """A queue's URL and ARN."""
        sqs = self.client("sqs")
        suffix = ".fifo" if "FifoQueue" in attributes else ""
        url = sqs.create_queue(QueueName=self.name("queue") + suffix, Attributes=attributes)["QueueUrl"]
        return url, sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]

    def bring_again_soon(self, url: str) -> None:
        """Return a failed message to its queue after a second; Lambda maps no queue that hides one so shortly."""
        self.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": "1"})

    def table(self) -> tuple[str, str]:
        """The name and the stream's ARN of a table with the keys `partition` and `id`."""
        made = self.client("dynamodb").create_table(
            TableName=self.name("table"),
            KeySchema=[
                {"AttributeName": "partition", "KeyType": "HASH"},
                {"AttributeName": "id", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "partition", "AttributeType": "S"},
                {"AttributeName": "id", "AttributeType": "S"},
            ],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )["TableDescription"]
        return made["TableName"], made["LatestStreamArn"]

    def connect(self, source_arn: str, function: str, **settings: Any) -> str:
        """Map the source to the function's alias `live`; the mapping's id."""
        if ":dynamodb:" in source_arn:
            settings = {"StartingPosition": "TRIM_HORIZON"} | settings
        mapping = self.client("lambda").create_event_source_mapping(
            EventSourceArn=source_arn, FunctionName=f"{function}:live", **settings
        )
        return str(mapping["UUID"])


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def package(body: str) -> bytes:
    """A deployment package with the one module `code`."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("code.py", _PRELUDE + body)
    return content.getvalue()


@contextmanager
def launched(
    folder: Path, *arguments: str, port: int = 0, environment: dict[str, str] | None = None
) -> Iterator[LocalAws]:
    """A launcher that is ready; it is stopped as its users stop it, unless the test has ended it."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tools.emulator.aws", "--port", str(port)),
            *("--state-dir", str(folder / "state"), "--account", ACCOUNT, *arguments),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env=with_secret(os.environ if environment is None else environment),
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"the launcher ended with {process.wait()}"
            yield LocalAws(process, json.loads(line)["endpoint"], folder)
            if process.poll() is None:
                process.terminate()
                assert process.wait(10) == 0
        finally:
            process.kill()
