"""The SDK's session: the models of boto3's own, found and read in another way."""

from pathlib import Path

import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError
from botocore.loaders import Loader

from loudhailer.aws.sdk import SERVICES, SdkSession

KINDS = ["service-2", "paginators-1", "endpoint-rule-set-1"]


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_services_models_are_those_of_the_sdk(service: str, kind: str) -> None:
    """Whatever the SDK's own loader finds is found, and is the same."""
    found = SdkSession().get_component("data_loader").load_service_model(service, kind)
    assert found == Loader().load_service_model(service, kind)


@pytest.mark.parametrize("name", ["endpoints", "partitions", "_retry", "sdk-default-configuration"])
def test_what_is_no_services_is_found_as_well(name: str) -> None:
    """The files that serve all services."""
    assert SdkSession().get_component("data_loader").load_data(name) == Loader().load_data(name)


def test_a_file_that_is_not_packed_is_read(tmp_path: Path) -> None:
    """Some of the SDK's are packed, some are not."""
    (tmp_path / "plain.json").write_text('{"is": "plain"}')
    loader = SdkSession().get_component("data_loader")
    loader.search_paths.append(str(tmp_path))
    assert loader.load_data("plain") == {"is": "plain"}


def test_a_file_that_is_not_there_is_not_found() -> None:
    """As the SDK says it, so that it goes on without optional ones."""
    with pytest.raises(DataNotFoundError, match="no-such-file"):
        SdkSession().get_component("data_loader").load_data("no-such-file")


def test_a_service_that_no_function_calls_is_refused_by_its_name() -> None:
    """With those that there are."""
    with pytest.raises(UnknownServiceError, match="dynamodb, sns, sqs, sts"):
        SdkSession().get_component("data_loader").load_service_model("ec2", "service-2")
