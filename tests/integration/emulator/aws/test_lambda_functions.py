"""Functions run as AWS runs them: in parallel, in clean environments, with their logs kept."""

import json
import os
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from tests.integration.emulator.aws.running import WORKERS_PER_FUNCTION, LocalAws, package
from tests.support.waiting import wait_until

_TELLS_ITS_VERSION = """
def handler(event, context):
    return context.function_version
"""


def _invoke(local_aws: LocalAws, function: str, event: Any = None, qualifier: str = "live") -> tuple[Any, str | None]:
    payload = json.dumps(event).encode()
    response = local_aws.client("lambda").invoke(FunctionName=function, Qualifier=qualifier, Payload=payload)
    return json.loads(response["Payload"].read()), response.get("FunctionError")


def test_invocations_run_in_parallel_up_to_the_cap_and_the_others_wait(local_aws: LocalAws) -> None:
    """Six at once are served by three workers, in two rounds."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    begin = time.time()
    time.sleep(0.5)
    return [os.getpid(), begin, time.time()]
""")
    with ThreadPoolExecutor(6) as threads:
        results = [result for result, _ in threads.map(lambda _: _invoke(local_aws, function), range(6))]
    assert len({pid for pid, _, _ in results}) == WORKERS_PER_FUNCTION
    at_once = [sum(begin <= moment < end for _, begin, end in results) for _, moment, _ in results]
    assert max(at_once) == WORKERS_PER_FUNCTION


@pytest.mark.emulator_contract
def test_reserved_concurrency_answers_429_through_the_alias(local_aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html."""
    function, notebook = local_aws.deploy(
        """
def handler(event, context):
    note("running")
    time.sleep(2)
""",
        reserved=1,
    )
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(_invoke, local_aws, function)
        notebook.await_entries(1)
        client = local_aws.client("lambda")
        with pytest.raises(ClientError) as refused:
            client.invoke(FunctionName=function, Qualifier="live", Payload=b"{}")
        assert first.result() == (None, None)
    response: Any = refused.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert response["Error"]["Code"] == "TooManyRequestsException"
    assert response["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


@pytest.mark.emulator_contract
def test_a_function_sees_only_its_own_environment(local_aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html lists Lambda's own variables."""
    function, notebook = local_aws.deploy("""
def handler(event, context):
    return dict(os.environ)
""")
    found, _ = _invoke(local_aws, function)
    assert found["NOTEBOOK"] == str(notebook.path)
    assert found["AWS_LAMBDA_FUNCTION_NAME"] == function
    assert found["AWS_LAMBDA_FUNCTION_VERSION"] == "1"
    assert found["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert found["AWS_REGION"] == found["AWS_DEFAULT_REGION"] == "us-east-1"
    assert found["AWS_ENDPOINT_URL"] == local_aws.endpoint
    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert found["AWS_ACCESS_KEY_ID"].startswith("ASIA")  # of a session of its role
    assert found["_HANDLER"] == "code.handler"
    leaked = (set(found) & set(os.environ)) - {"PATH", "LANG", "TZ", "LC_CTYPE"}
    assert not leaked
    assert "GATEWAY_PORT" not in found


def test_only_the_package_and_installed_distributions_can_be_imported(local_aws: LocalAws) -> None:
    """The project's checkout is not on the path, so what the package lacks is missed."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    import boto3
    try:
        import tools.emulator.aws
    except ImportError:
        return "missing"
""")
    assert _invoke(local_aws, function) == ("missing", None)


def test_a_function_has_as_many_descriptors_as_on_aws(local_aws: LocalAws) -> None:
    """https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: 1,024, however many the launcher has."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    import resource
    return resource.getrlimit(resource.RLIMIT_NOFILE)
""")
    assert _invoke(local_aws, function) == ([1024, 1024], None)


def test_the_context_names_the_alias_and_the_time_left(local_aws: LocalAws) -> None:
    """As https://docs.aws.amazon.com/lambda/latest/dg/python-context.html says."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    return [context.invoked_function_arn, context.function_version, context.get_remaining_time_in_millis(),
            context.aws_request_id, context.log_group_name]
""")
    (arn, version, remaining_ms, request_id, group), _ = _invoke(local_aws, function)
    assert arn == f"arn:aws:lambda:us-east-1:111111111111:function:{function}:live"
    assert version == "1"
    assert 9_000 < remaining_ms <= 10_000
    assert len(request_id) == 36
    assert group == f"/aws/lambda/{function}"


def test_every_invocation_is_logged_in_the_stream_of_its_worker(local_aws: LocalAws) -> None:
    """Output of the handler is between START and END; a handler that raises is logged too."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    print("printed", event)
    if event == 2:
        raise ValueError("went wrong")
""")
    for event in (1, 2):
        _invoke(local_aws, function, event)
    logs = local_aws.client("logs")
    group = f"/aws/lambda/{function}"
    (stream,) = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert "/[1]" in stream["logStreamName"]
    messages = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    kinds = [message.split()[0] for message in messages if message.split()[0] in {"START", "printed", "END", "REPORT"}]
    assert kinds == ["START", "printed", "END", "REPORT"] * 2
    assert "ValueError: went wrong" in messages


@pytest.mark.emulator_contract
def test_a_handler_that_raises_keeps_its_worker_and_an_exit_or_a_timeout_replaces_it(
    local_aws: LocalAws,
) -> None:
    """Errors have the shape of https://docs.aws.amazon.com/lambda/latest/dg/python-exceptions.html."""
    function, _ = local_aws.deploy(
        """
def handler(event, context):
    if event == "raise":
        raise KeyError("k")
    if event == "exit":
        os._exit(3)
    if event == "sleep":
        time.sleep(30)
    return os.getpid()
""",
        timeout=1,
    )
    first, _ = _invoke(local_aws, function)
    raised, kind = _invoke(local_aws, function, "raise")
    assert (raised["errorType"], raised["errorMessage"], kind) == ("KeyError", "'k'", "Unhandled")
    assert raised["stackTrace"]
    assert _invoke(local_aws, function) == (first, None)
    exited, _ = _invoke(local_aws, function, "exit")
    assert exited["errorType"] == "Runtime.ExitError"
    assert exited["errorMessage"].endswith("exit status 3")
    second, _ = _invoke(local_aws, function)
    assert second != first
    slept, _ = _invoke(local_aws, function, "sleep")
    assert slept["errorType"] == "Sandbox.Timedout"
    assert slept["errorMessage"].endswith("Task timed out after 1.00 seconds")
    third, _ = _invoke(local_aws, function)
    assert third not in {first, second}


def test_a_function_that_cannot_be_imported_fails_at_every_invocation(local_aws: LocalAws) -> None:
    """A failed init is the invocation's error, and is tried again."""
    function, notebook = local_aws.deploy("""
note("imported")
raise RuntimeError("bad settings")
""")
    for _ in range(2):
        error, kind = _invoke(local_aws, function)
        assert (error["errorType"], error["errorMessage"], kind) == ("RuntimeError", "bad settings", "Unhandled")
    assert notebook.entries() == ["imported", "imported"]


def test_new_code_and_a_moved_alias_take_effect_and_the_old_worker_ends(local_aws: LocalAws) -> None:
    """Version 1 continues until the alias moves; deleting the function ends its workers."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    return ["old", os.getpid()]
""")
    (old, old_pid), _ = _invoke(local_aws, function)
    assert old == "old"
    client = local_aws.client("lambda")
    new = package("""
def handler(event, context):
    return ["new", os.getpid()]
""")
    client.update_function_code(FunctionName=function, ZipFile=new, Publish=True)
    assert _invoke(local_aws, function)[0] == ["old", old_pid]
    client.update_alias(FunctionName=function, Name="live", FunctionVersion="2")
    (kind, new_pid), _ = _invoke(local_aws, function)
    assert kind == "new"
    client.delete_function(FunctionName=function)
    wait_until(lambda: not any(map(psutil.pid_exists, (old_pid, new_pid))))


def test_changed_variables_reach_the_next_invocation_of_latest(local_aws: LocalAws) -> None:
    """A worker never serves another configuration than it was started with."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    return os.environ.get("COLOUR")
""")
    client = local_aws.client("lambda")
    for colour in ("red", "blue"):
        variables = {"Variables": {"COLOUR": colour, "NOTEBOOK": "none"}}
        client.update_function_configuration(FunctionName=function, Environment=variables)
        assert _invoke(local_aws, function, qualifier="$LATEST") == (colour, None)


def test_a_silent_handler_is_as_fast_as_a_logging_one(local_aws: LocalAws) -> None:
    """Forty silent invocations take less than the two seconds that waiting for their logs would."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    return None
""")
    client = local_aws.client("lambda")
    client.invoke(FunctionName=function, Qualifier="live")
    begin = time.monotonic()
    for _ in range(40):
        client.invoke(FunctionName=function, Qualifier="live")
    assert time.monotonic() - begin < 2


def test_a_log_larger_than_a_pipe_does_not_block_the_handler(local_aws: LocalAws) -> None:
    """Half a megabyte is read while the handler runs."""
    function, _ = local_aws.deploy("""
def handler(event, context):
    for _ in range(500):
        print("x" * 1000)
    return "done"
""")
    assert _invoke(local_aws, function) == ("done", None)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_an_alias_with_weights_routes_a_share_to_the_other_version(local_aws: LocalAws, weight: float) -> None:
    """GetFunction still says the alias's own: https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html."""
    function, _ = local_aws.deploy(_TELLS_ITS_VERSION)
    client = local_aws.client("lambda")
    client.update_function_code(FunctionName=function, ZipFile=package(_TELLS_ITS_VERSION), Publish=True)
    weights = {"AdditionalVersionWeights": {"2": weight}}
    client.update_alias(FunctionName=function, Name="live", RoutingConfig=weights)
    versions = {_invoke(local_aws, function)[0] for _ in range(40)}
    assert versions == {0.0: {"1"}, 0.5: {"1", "2"}, 1.0: {"2"}}[weight]
    assert client.get_function_configuration(FunctionName=function, Qualifier="live")["Version"] == "1"


@pytest.mark.emulator_contract
def test_an_alias_that_an_api_calls_has_weights_too(local_aws: LocalAws) -> None:
    """The name in API Gateway's integration is the alias."""
    function, _ = local_aws.deploy(_TELLS_ITS_VERSION)
    client = local_aws.client("lambda")
    client.update_function_code(FunctionName=function, ZipFile=package(_TELLS_ITS_VERSION), Publish=True)
    alias = client.update_alias(
        FunctionName=function, Name="live", RoutingConfig={"AdditionalVersionWeights": {"2": 1}}
    )
    apis = local_aws.client("apigatewayv2")
    api = apis.create_api(Name=function, ProtocolType="HTTP")["ApiId"]
    integration = apis.create_integration(
        ApiId=api,
        IntegrationType="AWS_PROXY",
        IntegrationUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{alias['AliasArn']}/invocations",
        PayloadFormatVersion="2.0",
    )["IntegrationId"]
    apis.create_route(ApiId=api, RouteKey="GET /", Target=f"integrations/{integration}")
    apis.create_stage(ApiId=api, StageName="$default", AutoDeploy=True)
    client.add_permission(
        FunctionName=function,
        Qualifier="live",
        StatementId="api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    with urllib.request.urlopen(f"{local_aws.endpoint}/_aws/execute-api/{api}/") as response:  # noqa: S310
        assert response.read() == b"2"
