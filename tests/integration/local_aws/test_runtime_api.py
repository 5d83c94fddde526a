"""Containers of functions, the runtime API that they ask, and strangers on the machine."""

import json
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tools.image.engine import Engine
from tools.local_aws.lambda_runtime.container import ContainerWorker, RuntimeApi
from tools.local_aws.lambda_runtime.worker import Function, Image, Invocation

_NEXT = "/2018-06-01/runtime/invocation/next"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    """An API with an invocation that waits for its runtime."""
    api = RuntimeApi()
    api.put(Invocation({"hello": "function"}, "request", "arn"), 0.0)
    yield api
    api.close()


def status(api: RuntimeApi, *headers: tuple[str, str]) -> int:
    """The status of an answer to a request for the next invocation; the server's own host is named last."""
    connection = HTTPConnection(api.address, timeout=10)
    try:
        connection.putrequest("GET", _NEXT, skip_host=True)
        for name, value in (*headers, ("Host", api.address)):
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "header",
    [
        ("Host", "attacker.example"),
        ("host", "attacker.example"),
        ("Origin", "https://attacker.example"),
        ("Sec-Fetch-Site", "cross-site"),
        ("Sec-Fetch-Site", "same-site"),
    ],
)
def test_a_web_page_does_not_get_an_invocation(api: RuntimeApi, header: tuple[str, str]) -> None:
    """Nor does it take it away from the runtime."""
    assert status(api, header) == 403
    assert api.answers.empty()
    assert status(api) == 200


def test_a_name_that_leads_to_this_machine_does_not_get_an_invocation(api: RuntimeApi) -> None:
    """The page's own name is in the Host header (DNS rebinding)."""
    connection = HTTPConnection(api.address, timeout=10)
    try:
        connection.request("GET", _NEXT, headers={"Host": "attacker.example"})
        assert connection.getresponse().status == 403
    finally:
        connection.close()
    assert api.answers.empty()


def test_an_answer_of_any_size_is_not_read(api: RuntimeApi) -> None:
    """AWS ends an invocation whose answer is larger than it takes; a stranger could fill the memory with it."""
    connection = HTTPConnection(api.address, timeout=10)
    try:
        connection.putrequest("POST", "/2018-06-01/runtime/invocation/request/response")
        connection.putheader("Content-Length", "6291557")
        connection.endheaders()
        assert connection.getresponse().status == 413
    finally:
        connection.close()
    answer = api.answers.get(timeout=10)
    assert answer is not None
    assert answer["error"]["errorType"] == "Function.ResponseSizeTooLarge"


_CLIENT = """\
#!{python}
import json, os, pathlib, sys
if sys.argv[1] == "run":
    said = pathlib.Path(__file__).with_name("said")
    said.with_suffix(".new").write_text(json.dumps([sys.argv, dict(os.environ)]))
    said.with_suffix(".new").rename(said)
"""


def test_the_keys_of_a_functions_role_are_on_no_command_line(tmp_path: Path) -> None:
    """Every user of the machine can read the engine's client's; it takes them from its environment."""
    client, said = tmp_path / "docker", tmp_path / "said"
    client.write_text(_CLIENT.format(python=sys.executable))
    client.chmod(0o755)
    keys = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the secret", "AWS_SESSION_TOKEN": "the token"}
    environment = {**keys, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "TABLE": "sessions"}
    function = Function("1:us-east-1:probe", "1", Image("image", ()), 3.0, tuple(environment.items()))
    worker = ContainerWorker(function, Image("image", ()), Engine(str(client), "unix:///nowhere"), lambda *_: None)
    try:
        wait_until(said.exists)
    finally:
        worker.close()
    arguments, given = json.loads(said.read_text())
    assert "--env=TABLE=sessions" in arguments
    assert not [argument for argument in arguments for value in keys.values() if value in argument]
    assert {f"--env={name}" for name in keys} <= set(arguments)
    assert keys.items() <= given.items()
