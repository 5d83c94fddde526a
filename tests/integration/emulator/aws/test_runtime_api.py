"""Containers of functions, the runtime API that they ask, and strangers on the machine."""

import json
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.support.waiting import wait_until
from tools.emulator.containers.container import ContainerWorker, RuntimeApi
from tools.emulator.containers.worker import Function, FunctionCall, FunctionImage
from tools.image.engine import ContainerEngine

_NEXT = "/2018-06-01/runtime/invocation/next"


@pytest.fixture
def api() -> Iterator[RuntimeApi]:
    """An API with an invocation that waits for its runtime."""
    api = RuntimeApi()
    api.put(FunctionCall({"hello": "function"}, "request", "arn"), 0.0)
    yield api
    api.close()


def status(api: RuntimeApi, *headers: tuple[str, str]) -> int:
    """The status of an answer to a request for the next invocation."""
    connection = HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        connection.putrequest("GET", _NEXT, skip_host=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_client_without_the_secret_name_gets_no_invocation(api: RuntimeApi) -> None:
    """Another user of the machine finds the port; a web page may have a name that leads here (DNS rebinding)."""
    for host in (f"127.0.0.1:{api.port}", f"localhost:{api.port}", "attacker.example", api.name, f"{api.address}0"):
        assert status(api, ("Host", host)) == 403
    assert status(api) == 403
    assert status(api, ("Host", "attacker.example"), ("Host", api.address)) == 403
    assert api.answers.empty()
    assert status(api, ("Host", api.address)) == 200


def test_a_client_without_the_secret_name_cannot_answer_for_a_function(api: RuntimeApi) -> None:
    """An answer that a stranger makes up would be taken for the function's."""
    for name, code in ((f"127.0.0.1:{api.port}", 403), (api.address, 202)):
        assert api.answers.empty()
        connection = HTTPConnection("127.0.0.1", api.port, timeout=10)
        try:
            path = "/2018-06-01/runtime/invocation/request/response"
            connection.request("POST", path, body=f'"to {name}"'.encode(), headers={"Host": name})
            assert connection.getresponse().status == code
        finally:
            connection.close()
    assert api.answers.get(timeout=10) == {"result": f"to {api.address}"}


def test_no_two_environments_have_the_same_name(api: RuntimeApi) -> None:
    """A function's runtime does not get another one's invocations."""
    other = RuntimeApi()
    try:
        assert other.name != api.name
        assert status(api, ("Host", f"{other.name}:{api.port}")) == 403
    finally:
        other.close()


def test_an_oversized_answer_is_not_read(api: RuntimeApi) -> None:
    """AWS ends an invocation whose answer is larger than it takes; a stranger could fill the memory with it."""
    connection = HTTPConnection("127.0.0.1", api.port, timeout=10)
    try:
        connection.putrequest("POST", "/2018-06-01/runtime/invocation/request/response", skip_host=True)
        connection.putheader("Host", api.address)
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
    (hosts,) = (pathlib.Path(argument[9:].split(":")[0]) for argument in sys.argv if argument.startswith("--volume="))
    output = pathlib.Path(__file__).with_name("output")
    found = [sys.argv, dict(os.environ), hosts.read_text(), hosts.parent.stat().st_mode & 0o777]
    output.with_suffix(".new").write_text(json.dumps(found))
    output.with_suffix(".new").rename(output)
"""


def test_the_secrets_of_a_container_are_on_no_command_line(tmp_path: Path) -> None:
    """Every user of the machine can read the engine's client's; it takes them from its environment.

    The keys of the role are secret, and so is the name of the runtime API, which the file of hosts has as well.
    """
    client, output = tmp_path / "docker", tmp_path / "output"
    client.write_text(_CLIENT.format(python=sys.executable))
    client.chmod(0o755)
    keys = {"AWS_ACCESS_KEY_ID": "ASIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "the secret", "AWS_SESSION_TOKEN": "the token"}
    environment = {**keys, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "TABLE": "sessions"}
    function = Function("1:us-east-1:probe", "1", FunctionImage("image", ()), 3.0, tuple(environment.items()))
    worker = ContainerWorker(
        function, FunctionImage("image", ()), ContainerEngine(str(client), "unix:///nowhere"), lambda *_: None
    )
    try:
        wait_until(output.exists)
    finally:
        worker.close()
    arguments, given, hosts, mode = json.loads(output.read_text())
    assert "--env=TABLE=sessions" in arguments
    name, _, _ = given["AWS_LAMBDA_RUNTIME_API"].partition(":")
    assert not [argument for argument in arguments for value in (*keys.values(), name) if value in argument]
    assert {f"--env={name}" for name in (*keys, "AWS_LAMBDA_RUNTIME_API")} <= set(arguments)
    assert keys.items() <= given.items()
    assert f"127.0.0.1 localhost {name}" in hosts.splitlines()
    assert mode == 0o700
