"""Fixtures of the image's tests: an engine, and the image that it built for them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testcontainers.core.config import testcontainers_config

from tests.bench.lambda_environment import VARIABLES
from tests.contract.conftest import ACCOUNT, aws, aws_endpoint
from tests.contract.tables import KEYS, create_table
from tests.image.surroundings import Surroundings
from tests.unit.delivery.management_api import running
from tools.console import Terminal
from tools.image import base
from tools.image.build import Image, build, own_platform
from tools.image.engine import Engine, running_engine

__all__ = ["aws", "aws_endpoint"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that answers, for testcontainers too."""
    with running_engine() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", running.address)
        # It would start a helper out of a registry, to clean up after a kill; a private engine ends by itself then.
        patch.setattr(testcontainers_config, "ryuk_disabled", running.private or testcontainers_config.ryuk_disabled)
        yield running


@pytest.fixture(scope="session")
def image(engine: Engine) -> Image:
    """The image of this checkout, on the base that can be had here."""
    platform = own_platform(engine)
    standing_on = base.local(ROOT, engine, platform, Terminal())
    return build(ROOT, engine, platform=platform, tag="loudhailer:tests", base=standing_on)


@pytest.fixture(scope="session")
def surroundings(aws: Callable[[str], Any], aws_endpoint: str) -> Iterator[Surroundings]:
    """The variables of all functions together, and what they name: tables, queues, the tenants' role, where to post."""
    tables = {f"{kind.upper()}_TABLE": create_table(aws("dynamodb"), kind) for kind in KEYS}
    for url in Surroundings.queue_urls(VARIABLES):
        aws("sqs").create_queue(QueueName=url.rpartition("/")[2])
    trust = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"AWS": ACCOUNT}}
    rights = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
    role = VARIABLES["TENANT_ROLE_ARN"].rpartition("/")[2]
    aws("iam").create_role(RoleName=role, AssumeRolePolicyDocument=_policy(trust))
    aws("iam").put_role_policy(RoleName=role, PolicyName="rows", PolicyDocument=_policy(rights))
    with running() as api:
        here = {"AWS_ENDPOINT_URL": aws_endpoint, "CALLBACK_ENDPOINT": api.endpoint}
        yield Surroundings(aws, {**VARIABLES, **tables, **here}, api)


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
