"""The local AWS saves its state on request, whole and unused, and starts with all of it or not at all."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.emulator.aws.running import ACCOUNT, LocalAws, launched
from tests.support.aws import SECRET, with_secret
from tools.errors import OperatorError
from tools.stack.processes import save_local_aws

_NOTES_MESSAGES = """
def handler(event, context):
    for record in event["Records"]:
        note(record.get("body") or record["dynamodb"]["Keys"]["id"]["S"])
"""


def _port(local_aws: LocalAws) -> int:
    return int(local_aws.endpoint.rpartition(":")[2])


def _put(local_aws: LocalAws, table: str, identifier: str) -> None:
    item = {"partition": {"S": "p"}, "id": {"S": identifier}}
    local_aws.client("dynamodb").put_item(TableName=table, Item=item)


def test_another_local_aws_continues_from_the_saved_state(tmp_path: Path) -> None:
    """Code, objects, queues, streams and their mappings, of a local AWS that runs on and was not stopped."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    with launched(first) as local_aws:
        local_aws.client("s3").create_bucket(Bucket="bucket")
        local_aws.client("s3").put_object(Bucket="bucket", Key="functions.zip", Body=b"content")
        queue_url, queue = local_aws.queue()
        table, stream = local_aws.table()
        function, notebook = local_aws.deploy(_NOTES_MESSAGES)
        for source in (queue, stream):
            local_aws.connect(source, function)
        port = _port(local_aws)
        save_local_aws(port, SECRET)
        shutil.copytree(first / "state" / "ministack", second / "state" / "ministack")
        shutil.copytree(first / "state" / "s3", second / "state" / "s3")
        local_aws.process.kill()
        local_aws.process.wait()
    with launched(second, port=port) as local_aws:
        read = local_aws.client("s3").get_object(Bucket="bucket", Key="functions.zip")
        assert read["Body"].read() == b"content"
        local_aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody="by the queue")
        _put(local_aws, table, "by the stream")
        assert sorted(notebook.await_entries(2)) == ["by the queue", "by the stream"]


def test_function_logs_are_not_saved(tmp_path: Path) -> None:
    """The log groups are."""
    with launched(tmp_path) as local_aws:
        function, _ = local_aws.deploy("def handler(event, context):\n    print('a secret')\n")
        local_aws.client("lambda").invoke(FunctionName=function, Qualifier="live")
        save_local_aws(_port(local_aws), SECRET)
        saved = (tmp_path / "state" / "ministack" / "cloudwatch_logs.json").read_text()
        assert f"/aws/lambda/{function}" in saved
        assert "a secret" not in saved
        streams = local_aws.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{function}")
        assert len(streams["logStreams"]) == 1


def test_a_local_aws_in_use_is_not_saved(tmp_path: Path) -> None:
    """A row, its record in a stream, or a message belong to one stack alone; without them it is."""
    with launched(tmp_path) as local_aws:
        port = _port(local_aws)
        table, _ = local_aws.table()
        _put(local_aws, table, "a")
        with pytest.raises(OperatorError, match=f"The table {table} has rows"):
            save_local_aws(port, SECRET)
        local_aws.client("dynamodb").delete_item(TableName=table, Key={"partition": {"S": "p"}, "id": {"S": "a"}})
        with pytest.raises(OperatorError, match="A stream has records"):
            save_local_aws(port, SECRET)
        local_aws.client("dynamodb").delete_table(TableName=table)
        queue_url, _ = local_aws.queue()
        local_aws.client("sqs").send_message(QueueUrl=queue_url, MessageBody="a")
        with pytest.raises(OperatorError, match=f"The queue {queue_url.rpartition('/')[2]} has messages"):
            save_local_aws(port, SECRET)
        local_aws.client("sqs").purge_queue(QueueUrl=queue_url)
        save_local_aws(port, SECRET)


def test_a_state_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """Nothing else happens to the local AWS."""
    with launched(tmp_path) as local_aws:
        local_aws.queue()
        (tmp_path / "state" / "ministack").write_text("no folder")
        with pytest.raises(OperatorError, match="The state cannot be written"):
            save_local_aws(_port(local_aws), SECRET)
        assert len(local_aws.client("sqs").list_queues()["QueueUrls"]) == 1
        (tmp_path / "state" / "ministack").unlink()


@pytest.mark.parametrize(
    ("service", "content"),
    [
        ("sqs", "{"),
        ("sqs", '{"__ministack_format__": 99, "payload": {}}'),
        ("lambda", '{"functions": {"publish": "no record of a function"}}'),
    ],
)
def test_a_state_that_cannot_be_restored_ends_the_start(tmp_path: Path, service: str, content: str) -> None:
    """Half a state would be a stack that lacks some of its resources."""
    saved = tmp_path / "state" / "ministack" / f"{service}.json"
    saved.parent.mkdir(parents=True)
    saved.write_text(content)
    arguments = ["--port", "0", "--state-dir", str(tmp_path / "state"), "--account", ACCOUNT]
    command = [sys.executable, "-m", "tools.emulator.aws", *arguments]
    environment = with_secret(os.environ)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, env=environment, check=False)
    assert ended.returncode != 0
    assert ended.stdout == ""
    assert f"The saved state of {service} cannot be restored" in ended.stderr
