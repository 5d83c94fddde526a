"""What Terraform made, and that it stays so."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.system import System

FUNCTIONS = Path(__file__).parents[2] / "functions"
CONFIGURED = sorted(path.parent.name for path in FUNCTIONS.glob("*/settings.py"))
COMMON = {
    "ENVIRONMENT",
    "POWERTOOLS_LOG_LEVEL",
    "POWERTOOLS_METRICS_NAMESPACE",
    "POWERTOOLS_SERVICE_NAME",
}


def failure(system: System, function: str, environment: dict[str, str]) -> dict[str, Any]:
    """The error that a function with this environment answers an invocation with."""
    name = f"misconfigured-{function}"
    system.functions.create_function(
        FunctionName=name,
        Role=configuration(system, function)["Role"],
        **package(system, function),
        Environment={"Variables": environment},
        Timeout=30,
    )
    try:
        answer = system.functions.invoke(FunctionName=name, Payload=b"{}")
        assert answer["FunctionError"]
        error: dict[str, Any] = json.load(answer["Payload"])
        return error
    finally:
        system.functions.delete_function(FunctionName=name)


def package(system: System, function: str) -> dict[str, Any]:
    """What a function runs, as it is created."""
    handler = f"functions.{function}.handler.handler"
    deployed = system.functions.get_function(FunctionName=system.deployment.functions[function])
    if deployed["Configuration"]["PackageType"] == "Image":
        image = {"ImageUri": deployed["Code"]["ImageUri"]}
        return {"PackageType": "Image", "Code": image, "ImageConfig": {"Command": [handler]}}
    return {"Runtime": "python3.13", "Handler": handler, "Code": {"ZipFile": system.directory.package.read_bytes()}}


def configuration(system: System, function: str) -> Any:
    """What Lambda knows of a function."""
    return system.functions.get_function_configuration(FunctionName=system.deployment.functions[function])


def variables(system: System, function: str) -> dict[str, str]:
    """The variables that Terraform set for a function, but for those that all functions have."""
    of_all = configuration(system, function)["Environment"]["Variables"]
    return {name: value for name, value in of_all.items() if name not in COMMON}


def test_a_plan_after_up_shows_no_changes(system: System) -> None:
    """What was applied is what is there: 0 says so, 2 would mean a change."""
    plan = system.loudhailer("terraform", "plan", "-detailed-exitcode", "-input=false", "-no-color")
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "No changes." in plan.stdout


def test_a_second_up_changes_nothing(system: System) -> None:
    """It says so, and the processes are the same."""
    pids = system.pids()
    again = system.loudhailer("up")
    assert again.returncode == 0, again.stderr
    assert "nothing was changed" in again.stderr
    assert system.deployment.http_url in again.stdout
    assert system.pids() == pids
    assert None not in pids.values()


@pytest.mark.parametrize("function", CONFIGURED)
def test_a_function_without_its_environment_fails_at_init_and_lists_what_is_missing(
    system: System, function: str
) -> None:
    """One message names every variable, so that nobody has to find them one after the other."""
    error = failure(system, function, {})
    assert error["errorType"] == "ConfigurationError"
    problems = set(error["errorMessage"].removeprefix("bad environment: ").split("; "))
    assert problems == {f"{name} is missing" for name in variables(system, function)}


def test_a_function_with_a_bad_environment_fails_at_init_and_lists_what_is_bad(system: System) -> None:
    """A bad value and a missing one stand in the same message, each with what is legal."""
    wanted = {**dict.fromkeys(variables(system, "query"), "?"), "CHUNK_SIZE": "0", "SHARD_QUEUE_URLS": "[]"}
    del wanted["SESSIONS_TABLE"]
    message = failure(system, "query", wanted)["errorMessage"]
    problems = dict(problem.split(" ", 1) for problem in message.removeprefix("bad environment: ").split("; "))
    assert problems.keys() == variables(system, "query").keys()
    assert problems["SESSIONS_TABLE"] == "is missing"
    assert problems["CHUNK_SIZE"] == "must be a whole number from 1 to 500"
    assert problems["SHARD_QUEUE_URLS"] == "must be a JSON list of URLs"
