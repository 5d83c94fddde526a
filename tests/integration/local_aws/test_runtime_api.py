"""The runtime API that containers of functions ask, and web pages that find its port."""

from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tools.local_aws.lambda_runtime.container import RuntimeApi
from tools.local_aws.lambda_runtime.worker import Invocation

_NEXT = "/2018-06-01/runtime/invocation/next"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    """An API with an invocation that waits for its runtime."""
    api = RuntimeApi()
    api.put(Invocation({"hello": "function"}, "request", "arn"), 0.0)
    yield api
    api.close()


def status(api: RuntimeApi, headers: dict[str, str]) -> int:
    """The status of an answer to a request for the next invocation."""
    connection = HTTPConnection(api.address, timeout=10)
    try:
        connection.request("GET", _NEXT, headers=headers)
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "attacker.example"},
        {"Origin": "https://attacker.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_web_page_does_not_get_an_invocation(api: RuntimeApi, headers: dict[str, str]) -> None:
    """Nor does it take it away from the runtime."""
    assert status(api, headers) == 403
    assert api.answers.empty()
    assert status(api, {}) == 200
