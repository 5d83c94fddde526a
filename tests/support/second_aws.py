"""AWS by moto, in this process: a second emulator, which shares no code with MiniStack."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from threading import Lock
from typing import Any

import boto3
from moto import mock_aws

_ANY = "nobody checks it"
_SERVERS_OF_THIS_MACHINE = r"http://127\.0\.0\.1.*"


@contextmanager
def second_aws() -> Iterator[Callable[[str], Any]]:
    """Make clients of services, whose tables and queues live as long as the block.

    Clients of a server on this machine still reach it.
    """
    passthrough: Any = {"urls": [_SERVERS_OF_THIS_MACHINE]}
    with mock_aws(config={"core": {"mock_credentials": False, "passthrough": passthrough}}):
        yield cache(_client)


def _client(service: str) -> "_OneByOne":
    return _OneByOne(
        boto3.client(service, region_name="us-east-1", aws_access_key_id=_ANY, aws_secret_access_key=_ANY)  # type: ignore[call-overload]
    )


class _OneByOne:
    """A client that makes one call at a time: moto lets another thread in between a condition and its write."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._calling = Lock()

    def __getattr__(self, name: str) -> Any:
        """The client's method."""
        method = getattr(self._client, name)

        def call(*arguments: Any, **request: Any) -> Any:
            with self._calling:
                return method(*arguments, **request)

        return call
