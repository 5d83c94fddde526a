"""A deployment on AWS is found by its environment."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest

from tests.support.aws import SECRET
from tools.errors import OperatorError
from tools.release.description import deployment_of
from tools.release.environment import Environment
from tools.stack.access import AccountAccess
from tools.stack.project import Project

DESCRIPTION = {
    "http_url": "https://api",
    "auth": {"broadcast": "iam", "session": "iam"},
    "cells": {},
    "tables": {"common": "test-", "rest": {"tenants": "tenants"}},
    "functions": {"common": "", "rest": {"publish": "published"}},
    "queue_urls": {"common": "https://sqs/test-", "rest": {"dead-letter-fifo": "dead-letter.fifo"}},
}
PREFIX = "described"


@pytest.fixture
def environment() -> Environment:
    """An environment in the account and Region of the local AWS."""
    return replace(Environment.of(Project.of_this_code(), "local"), prefix=PREFIX)


@pytest.fixture
def access(aws_endpoint: str) -> AccountAccess:
    """The root's of the environment's account."""
    session = boto3.Session(aws_access_key_id="111111111111", aws_secret_access_key=SECRET, region_name="us-east-1")
    return AccountAccess(session, aws_endpoint)


@pytest.fixture
def describe(aws: Callable[[str], Any]) -> Iterator[Callable[[str], None]]:
    """Write the parameter; it is gone after the test."""
    client, name = aws("ssm"), f"/{PREFIX}/deployment"
    yield lambda text: client.put_parameter(Name=name, Value=text, Type="String", Overwrite=True)
    client.delete_parameters(Names=[name])


def test_names_are_whole(environment: Environment, access: AccountAccess, describe: Callable[[str], None]) -> None:
    """The parameter has the common beginning of names once."""
    describe(json.dumps(DESCRIPTION))
    deployment = deployment_of(environment, access)
    assert deployment.outputs["tables"] == {"tenants": "test-tenants"}
    assert deployment.functions == {"publish": "published"}
    assert deployment.queue_urls == {"dead-letter-fifo": "https://sqs/test-dead-letter.fifo"}
    assert (deployment.http_url, deployment.account) == ("https://api", "111111111111")


def test_an_environment_that_is_not_applied_is_reported_as_missing(
    environment: Environment, access: AccountAccess
) -> None:
    """The sentence names account, Region and parameter."""
    with pytest.raises(OperatorError, match="111111111111, us-east-1: the parameter /described/deployment is missing"):
        deployment_of(environment, access)


@pytest.mark.parametrize("text", ["no JSON", "[]", "{}", json.dumps(DESCRIPTION | {"tables": "x"})])
def test_a_description_of_another_form_is_refused(
    environment: Environment, access: AccountAccess, describe: Callable[[str], None], text: str
) -> None:
    """A later release may write another one."""
    describe(text)
    with pytest.raises(OperatorError, match="not what this release writes"):
        deployment_of(environment, access)


def test_a_hub_with_further_cells_is_refused(
    environment: Environment, access: AccountAccess, describe: Callable[[str], None]
) -> None:
    """A broadcast that is cancelled at the hub alone would continue elsewhere."""
    describe(json.dumps(DESCRIPTION | {"cells": {"north": {}}}))
    with pytest.raises(OperatorError, match=r"further cells \(north\)"):
        deployment_of(environment, access)


def test_credentials_of_another_account_are_refused(environment: Environment, access: AccountAccess) -> None:
    """Before anything is read there."""
    other = replace(environment, account_id="222222222222")
    with pytest.raises(OperatorError, match="of account 111111111111, and this is about 222222222222"):
        deployment_of(other, access)
