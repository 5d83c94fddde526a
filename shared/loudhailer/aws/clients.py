"""Clients of AWS services."""

from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

CONNECT_SECONDS = 2
READ_SECONDS = 5
POOLED_CONNECTIONS = 32

_making = Lock()
"""A session is used by one thread at a time; clients are for all of them.
https://docs.aws.amazon.com/boto3/latest/guide/session.html#multithreading-or-multiprocessing-with-sessions"""


def client(service: str, *, attempts: int = 5, seconds: float | None = None) -> Any:
    """A client of an AWS service in the function's Region, with short timeouts and the SDK's standard retries.

    One attempt is for calls that must not be carried out twice; `seconds` for those whose answer is of no use later.
    """
    with _making:
        return _session().client(service, config=config(attempts, seconds))  # type: ignore[call-overload]  # the caller knows its type


@cache
def _session() -> "boto3.Session":
    # Imported late: it takes most of a cold start, which `post_message` goes without until it has posted.
    import boto3  # noqa: PLC0415

    from loudhailer.aws.sdk import SdkSession  # noqa: PLC0415

    return boto3.Session(botocore_session=SdkSession())


def config(attempts: int, seconds: float | None = None) -> "Config":
    """Configuration of every client.

    The SDK composes its User-Agent anew for each request, and checks parameters that AWS checks again: without the two
    a call costs a third less CPU. The local AWS has the SDK check them all the same.
    """
    from botocore.config import Config  # noqa: PLC0415  # late, as above

    return Config(
        connect_timeout=seconds or CONNECT_SECONDS,
        read_timeout=seconds or READ_SECONDS,
        max_pool_connections=POOLED_CONNECTIONS,
        tcp_keepalive=True,
        user_agent="loudhailer",
        parameter_validation=False,
        retries={"mode": "standard", "total_max_attempts": attempts},
    )


class LateClient:
    """A client of an AWS service that is made when it is first used; by `client`, unless another maker is given."""

    def __init__(self, service: str, make: Callable[[str], Any] | None = None) -> None:
        self._service = service
        self._make = make

    def __getattr__(self, name: str) -> Any:
        """The client's attribute; looked up here once only, since it is kept."""
        if "_client" not in self.__dict__:
            self.__dict__["_client"] = (self._make or client)(self._service)
        attribute = getattr(self.__dict__["_client"], name)
        setattr(self, name, attribute)
        return attribute
