"""Functions of an image on the local AWS, where a container behaves differently from a process.

The rules of all workers are tested in `tests/integration/emulator/aws/test_lambda_functions.py`.
"""

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.aws import ACCOUNT, SECRET, aws_client
from tests.support.waiting import wait_until
from tools.image.build import BuiltImage
from tools.image.engine import ContainerEngine
from tools.stack.directory import StackDirectory
from tools.stack.local_aws import local_endpoint, local_environment
from tools.stack.processes import ProcessTable, await_ready, free_port

PROBE = Path(__file__).with_name("probe.py")


@dataclass
class Lambda:
    """A local AWS with an engine, and functions of the image in it."""

    process: psutil.Process
    client: Any
    logs: Any
    role: str
    image_id: str
    numbers: Iterator[int] = field(default_factory=count)

    def function(self, *, timeout: int = 20) -> str:
        """A new function that runs the probe; its name."""
        name = f"probe-{next(self.numbers)}"
        self.client.create_function(
            FunctionName=name,
            PackageType="Image",
            Role=self.role,
            Code={"ImageUri": f"loudhailer@{self.image_id}"},
            ImageConfig={"Command": ["probe.handler"]},
            Environment={"Variables": {"OWN": "variable"}},
            Timeout=timeout,
        )
        return name

    def invoke(self, name: str, **event: Any) -> dict[str, Any]:
        """Return the function's answer, or the error that it ends with."""
        answer: dict[str, Any] = json.load(self.client.invoke(FunctionName=name, Payload=json.dumps(event))["Payload"])
        return answer


@pytest.fixture(scope="module")
def probe(engine: ContainerEngine, image: BuiltImage, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of the image with the probe in it."""
    context = tmp_path_factory.mktemp("probe")
    (context / "probe.py").write_text(PROBE.read_text())
    (context / "Dockerfile").write_text(f"FROM {image.tag}\nCOPY probe.py /var/task/probe.py\n")
    engine.run("build", "--tag", "loudhailer:probe", str(context))
    return engine.run("image", "inspect", "--format", "{{.Id}}", "loudhailer:probe")


@pytest.fixture(scope="module")
def functions(engine: ContainerEngine, probe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lambda]:
    """A local AWS that lives as long as the tests of this file."""
    directory = StackDirectory(tmp_path_factory.mktemp("aws") / "stack")
    directory.create()
    processes, port = ProcessTable(directory), free_port()
    command = [sys.executable, "-m", "tools.emulator.aws", "--port", str(port), "--account", ACCOUNT]
    command += ["--state-dir", str(directory.aws_state), "--engine", engine.address]
    command += ["--workers-per-function", "2"]
    try:
        process = processes.start("aws", command, local_environment(os.environ, port, SECRET))
        await_ready(process, directory.log("aws"), port)
        endpoint = local_endpoint(port)
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
        role = aws_client("iam", endpoint).create_role(
            RoleName="probe", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        )
        lambda_, logs = aws_client("lambda", endpoint), aws_client("logs", endpoint)
        yield Lambda(process, lambda_, logs, role["Role"]["Arn"], probe)
    finally:
        processes.stop("aws")


def test_a_function_gets_lambdas_environment(functions: Lambda) -> None:
    """Its own variables and Lambda's, its ARN, its time; it runs as a user without rights, and its log is kept."""
    name = functions.function(timeout=20)
    answer = functions.invoke(name, say="hello")
    assert answer["arn"].endswith(f":{ACCOUNT}:function:{name}")
    assert 0 < answer["milliseconds"] <= 20_000
    assert answer["user"] != 0
    assert {"OWN", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "AWS_LAMBDA_LOG_GROUP_NAME"} <= {
        *answer["variables"]
    }
    assert not {"DOCKER_HOST", "LOUDHAILER_PROCESS", "LOUDHAILER_START", "STATE_DIR"} & {*answer["variables"]}
    group = f"/aws/lambda/{name}"
    wait_until(lambda: "probe says hello" in str(functions.logs.filter_log_events(logGroupName=group)["events"]))


def test_a_handler_that_raises_keeps_its_container_and_an_exit_or_a_timeout_replaces_it(
    functions: Lambda,
) -> None:
    """The errors are Lambda's."""
    name = functions.function(timeout=2)
    first = functions.invoke(name)["container"]
    raised = functions.invoke(name, **{"raise": "no"})
    assert (raised["errorType"], raised["errorMessage"]) == ("ValueError", "no")
    assert functions.invoke(name)["container"] == first
    assert "exit status 3" in functions.invoke(name, exit=3)["errorMessage"]
    second = functions.invoke(name)["container"]
    assert second != first
    assert "timed out after 2.00 seconds" in functions.invoke(name, seconds=30)["errorMessage"]
    assert functions.invoke(name)["container"] not in {first, second}


def test_an_image_that_does_not_exist_is_an_error_of_the_invocation(functions: Lambda) -> None:
    """As required, with the engine's output in the log."""
    name = functions.function()
    functions.client.update_function_code(FunctionName=name, ImageUri=f"loudhailer@sha256:{'0' * 64}")
    assert functions.invoke(name)["errorType"] == "Runtime.ExitError"


def test_containers_end_with_the_local_aws_even_if_it_is_killed(functions: Lambda, engine: ContainerEngine) -> None:
    """A runtime that can ask for no next invocation exits, and the engine removes its container. Comes last."""
    functions.invoke(functions.function())
    of_it = ("ps", "--quiet", "--filter", f"label=loudhailer={functions.client.meta.endpoint_url}")
    assert engine.run(*of_it)
    os.kill(functions.process.pid, signal.SIGKILL)
    wait_until(lambda: not engine.run(*of_it))
