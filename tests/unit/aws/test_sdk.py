"""The SDK's session: the models of boto3's own, found and read in another way."""

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ClientError, DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from loudhailer.aws import sdk
from loudhailer.aws.clients import client
from loudhailer.aws.sdk import SERVICES, SdkSession
from tests.unit.aws.sdk_wire import FUNCTION, response

KINDS = ["service-2", "paginators-1", "endpoint-rule-set-1"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_service_models_match_the_sdks(service: str, kind: str) -> None:
    """Every file that the SDK's own loader finds is found, and is the same."""
    found = SdkSession().get_component("data_loader").load_service_model(service, kind)
    assert found == Loader().load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "_retry", "sdk-default-configuration"])
def test_files_shared_by_all_services_are_found(name: str) -> None:
    """The files that serve all services."""
    assert SdkSession().get_component("data_loader").load_data(name) == Loader().load_data(name)


def test_a_file_that_is_not_packed_is_read(tmp_path: Path) -> None:
    """Some of the SDK's are packed, some are not."""
    (tmp_path / "plain.json").write_text('{"is": "plain"}')
    loader = SdkSession().get_component("data_loader")
    loader.search_paths.append(str(tmp_path))
    assert loader.load_data("plain") == {"is": "plain"}


def test_a_missing_file_is_not_found() -> None:
    """As the SDK expects, so that it continues without optional ones."""
    with pytest.raises(DataNotFoundError, match="no-such-file"):
        SdkSession().get_component("data_loader").load_data("no-such-file")


def test_a_service_without_a_packed_model_is_refused_by_name() -> None:
    """With the existing ones."""
    with pytest.raises(UnknownServiceError, match="dynamodb, sns, sqs, sts"):
        SdkSession().get_component("data_loader").load_service_model("ec2", "service-2")


@pytest.mark.parametrize(("conflicts", "requests"), [(0, 1), (1, 2), (5, 6), (9, 6)])
@pytest.mark.parametrize("attempts", [1, 5])
def test_a_write_that_conflicts_with_a_transaction_is_retried(
    monkeypatch: pytest.MonkeyPatch, attempts: int, conflicts: int, requests: int
) -> None:
    """Five times at most, also where the SDK must not repeat a request: DynamoDB has done nothing."""
    answers = [_error("TransactionConflictException")] * conflicts + [(200, "{}")] * 9
    sent, ends_well = _deleted(monkeypatch, attempts, answers)
    assert sent == requests
    assert ends_well is (conflicts <= 5)


def test_a_write_refused_for_another_reason_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its condition would not hold the next time."""
    assert _deleted(monkeypatch, 5, [_error("ConditionalCheckFailedException")] * 9) == (1, False)


def _error(code: str) -> tuple[int, str]:
    return 400, json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "refused"})


def _deleted(monkeypatch: pytest.MonkeyPatch, attempts: int, answers: list[tuple[int, str]]) -> tuple[int, bool]:
    """Delete an item; return how many requests were sent, and whether the last one succeeded."""
    for name, value in FUNCTION.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sdk, "_CONFLICT_SECONDS", 0)
    sent = 0

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        nonlocal sent
        sent += 1
        return response(request, *answers[sent - 1])

    dynamodb = client("dynamodb", attempts=attempts)
    dynamodb.meta.events.register("before-send.dynamodb", answer)
    try:
        dynamodb.delete_item(TableName="sessions", Key={"tenantId": {"S": "acme"}})
    except ClientError:
        return sent, False
    return sent, True
