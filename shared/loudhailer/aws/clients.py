"""Clients of AWS services."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

CONNECT_SECONDS = 1
READ_SECONDS = 5
POOLED_CONNECTIONS = 32

_making = Lock()
"""A session is used by one thread at a time, while clients may be shared between threads:
https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions"""


def client(service: str, *, attempts: int = 5, seconds: float | None = None) -> Any:
    """Return a client of an AWS service in the function's Region, with short timeouts and the SDK's standard retries.

    Use one attempt for calls that must not be carried out twice, and `seconds` for answers that are useless later.
    """
    with _making:
        return _session().client(service, config=config(attempts, seconds))  # type: ignore[call-overload]  # the caller knows its type


@cache
def _session() -> "boto3.Session":
    # Imported late: boto3 takes most of a cold start, and `post_message` does not need it before its first post.
    import boto3  # noqa: PLC0415

    from loudhailer.aws.sdk import SdkSession  # noqa: PLC0415

    return boto3.Session(botocore_session=SdkSession())


def config(attempts: int, seconds: float | None = None) -> "Config":
    """Return the configuration of every client.

    The SDK composes its User-Agent for each request, and validates parameters that AWS validates again: without both, a
    call costs a third less CPU. With the local AWS, the parameters are validated.
    """
    from botocore.config import Config  # noqa: PLC0415  # late, as above

    return Config(
        connect_timeout=min(seconds or CONNECT_SECONDS, CONNECT_SECONDS),
        read_timeout=seconds or READ_SECONDS,
        max_pool_connections=POOLED_CONNECTIONS,
        tcp_keepalive=True,
        user_agent="loudhailer",
        parameter_validation=False,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


class LateClient:
    """A client of an AWS service that is made at its first use, by `client` or by another function."""

    def __init__(self, service: str, make: Callable[[str], Any] | None = None) -> None:
        self._service = service
        self._make = make

    def __getattr__(self, name: str) -> Any:
        """Return the client's attribute, and keep it, so that it is looked up here only once."""
        if "_client" not in self.__dict__:
            self.__dict__["_client"] = (self._make or client)(self._service)
        attribute = getattr(self.__dict__["_client"], name)
        setattr(self, name, attribute)
        return attribute
