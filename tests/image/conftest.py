"""Fixtures of the image's tests: an engine, and the image that it built for them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from testcontainers.core.config import testcontainers_config

from tests.support.aws import aws, aws_endpoint
from tests.support.surroundings import Surroundings, made
from tools.console import Terminal
from tools.image import base
from tools.image.build import BuiltImage, build, own_platform
from tools.image.engine import ContainerEngine, running_engine

__all__ = ["aws", "aws_endpoint"]

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def engine() -> Iterator[ContainerEngine]:
    """An engine that answers, for testcontainers too."""
    with running_engine() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", running.address)
        # It would start a helper out of a registry, to clean up after a kill; a private engine ends by itself then.
        patch.setattr(testcontainers_config, "ryuk_disabled", running.private or testcontainers_config.ryuk_disabled)
        yield running


@pytest.fixture(scope="session")
def image(engine: ContainerEngine) -> BuiltImage:
    """The image of this checkout, on the base that can be had here."""
    platform = own_platform(engine)
    base_image = base.local(ROOT, engine, platform, Terminal())
    return build(ROOT, engine, platform=platform, tag="loudhailer:tests", base=base_image)


@pytest.fixture(scope="session")
def surroundings(aws: Callable[[str], Any], aws_endpoint: str) -> Iterator[Surroundings]:
    """The variables of all functions together, and the resources that they name."""
    with made(aws, aws_endpoint) as surroundings:
        yield surroundings
