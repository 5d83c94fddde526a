"""The ready-made answers that functions are measured on."""

import json

import boto3
import pytest
from botocore.httpsession import URLLib3Session

from tests.bench.canned_aws import CannedAws


@pytest.fixture(autouse=True)
def _session_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(URLLib3Session, "send", URLLib3Session.send)


def test_the_sdk_reads_a_ready_made_answer() -> None:
    """A call goes through the whole SDK, checksums included, and needs no socket."""
    client = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    aws = CannedAws({"GetItem": lambda request: json.dumps({"Item": json.loads(request)["Key"]}).encode()})
    answer = client.get_item(TableName="table", Key={"id": {"S": "1"}})
    assert answer["Item"] == {"id": {"S": "1"}}
    assert aws.calls == {"GetItem": 1}
    assert aws.bytes_sent["GetItem"] > len('{"id":{"S":"1"}}')
