"""The digest of a public tag: computed, never believed."""

import hashlib
import json
from collections.abc import Mapping

import pytest

from tools.errors import OperatorError
from tools.image.registry import digest_of_tag

INDEX = json.dumps({"manifests": [{"platform": {"architecture": name}} for name in ("amd64", "arm64")]}).encode()


class Registry:
    """Answers as a registry does, and keeps the requests."""

    def __init__(self, index: bytes) -> None:
        self.asked: dict[str, Mapping[str, str]] = {}
        self._index = index

    def __call__(self, url: str, headers: Mapping[str, str]) -> bytes:
        """The body that the URL has."""
        self.asked[url] = headers
        return b'{"token": "abc"}' if "/token/" in url else self._index


def test_the_digest_is_that_of_the_index() -> None:
    """The index names the images of both platforms; its bytes are its identity."""
    registry = Registry(INDEX)
    digest = digest_of_tag("public.ecr.aws/lambda/python", "3.13", registry)
    assert digest == f"sha256:{hashlib.sha256(INDEX).hexdigest()}"
    asked = registry.asked["https://public.ecr.aws/v2/lambda/python/manifests/3.13"]
    assert asked["Authorization"] == "Bearer abc"
    assert "index" in asked["Accept"]


def test_an_image_of_one_platform_is_refused() -> None:
    """A release may be for either."""
    index = json.dumps({"manifests": [{"platform": {"architecture": "amd64"}}]}).encode()
    with pytest.raises(OperatorError, match="no image for arm64"):
        digest_of_tag("public.ecr.aws/lambda/python", "3.13", Registry(index))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"manifests": [{}]}'])
def test_a_malformed_index_is_refused(body: bytes) -> None:
    """An unknown format is not written down."""
    with pytest.raises(OperatorError, match="cannot be looked up"):
        digest_of_tag("public.ecr.aws/lambda/python", "3.13", Registry(body))


def test_an_unreachable_registry_is_reported() -> None:
    """The remedy is another machine."""

    def unreachable(_url: str, _headers: Mapping[str, str]) -> bytes:
        raise OSError("no such host")

    with pytest.raises(OperatorError, match="no such host") as failed:
        digest_of_tag("public.ecr.aws/lambda/python", "3.13", unreachable)
    assert "reaches public.ecr.aws" in failed.value.remedy
