"""`docs/openapi.yaml` describes what Terraform deploys and what the functions answer."""

import ast
import json
import re
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT, folder_of

DESCRIPTION: dict[str, Any] = yaml.safe_load((ROOT / "docs" / "openapi.yaml").read_text())
METHODS = {"get", "put", "post", "patch", "delete"}

DEPLOYED = re.compile(r'"((?:GET|PUT|POST|PATCH|DELETE) /[^"]*)"\s*=\s*\{\s*alias\s*=\s*var\.aliases\.(\w+),')
CONSOLE = re.compile(r"console_routes\s*=\s*(\[[^\]]*\])")
ANSWERED = re.compile(r'"((?:GET|PUT|POST|PATCH|DELETE) /[^"]*)": self\.')
WAYS_TO_CALL = re.compile(r"\b(?:fetch\(|XMLHttpRequest|sendBeacon|EventSource)")
CALLED = re.compile(r"""this\.#call\("(\w+)", ["`]([^"`]+)["`]""")
INSERTED = re.compile(r"\$?\{[^}]*\}")


def described() -> set[str]:
    """The route keys that the description has."""
    return {route for route, _ in operations()}


def deployed() -> dict[str, str]:
    """The function behind each route of the HTTP API, those of the console among them."""
    modules = ROOT / "terraform" / "modules"
    (console,) = CONSOLE.findall((modules / "web" / "outputs.tf").read_text())
    routes = dict(DEPLOYED.findall((modules / "control" / "main.tf").read_text()))
    return routes | dict.fromkeys(json.loads(console), "console")


def called() -> set[str]:
    """The requests that the web page makes: all of them go through one method of `api.js`."""
    page = {path.name: path.read_text() for path in (folder_of("console") / "page").glob("*.js")}
    ways = [name for name, script in page.items() for _ in WAYS_TO_CALL.findall(script)]
    assert ways == ["api.js"]
    calls = CALLED.findall(page["api.js"])
    assert len(calls) == page["api.js"].count("this.#call(")
    return {f"{method} /{INSERTED.sub('{}', path)}" for method, path in calls}


def operations() -> list[tuple[str, dict[str, Any]]]:
    """Each route key with its operation."""
    return [
        (f"{method.upper()} {path}", item[method])
        for path, item in DESCRIPTION["paths"].items()
        for method in METHODS & item.keys()
    ]


def test_the_description_has_exactly_the_deployed_routes() -> None:
    """Paths and methods are those of Terraform's routes."""
    assert described() == deployed().keys()


@pytest.mark.parametrize("function", ["console", "session_api"])
def test_a_function_answers_exactly_its_routes(function: str) -> None:
    """None of them is unknown to it, and it has none that nobody can call."""
    routes = ANSWERED.findall((folder_of(function) / f"{function}.py").read_text())
    assert set(routes) == {route for route, behind in deployed().items() if behind == function}


def test_the_page_calls_only_described_routes() -> None:
    """Each of its requests names a method and a path of the description."""
    assert called() <= {INSERTED.sub("{}", route) for route in described()}
    assert "GET /broadcast/{}" in called()


def test_every_route_describes_throttling() -> None:
    """The stage limits each of them, so a client must know that answer."""
    assert [route for route, operation in operations() if "429" not in operation["responses"]] == []


def test_the_described_patterns_of_ids_match_the_code() -> None:
    """An id that the description calls legal is legal."""
    code = (ROOT / "shared" / "loudhailer" / "ids.py").read_text()
    schemas = DESCRIPTION["components"]["schemas"]
    for schema, name in {"Name": "_NAME", "PlayerId": "_HANDLE", "RoomKey": "_HANDLE"}.items():
        assert f'{name} = re.compile(r"{schemas[schema]["pattern"].strip("^$")}")' in code


GATEWAYS_OWN = {"401", "403", "429"}
"""Statuses that API Gateway answers by itself: its authorizers' and its throttle's."""


def statuses_of(function: str) -> set[str]:
    """The statuses in a function's code."""
    return {
        str(node.value)
        for path in folder_of(function).glob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and type(node.value) is int and 200 <= node.value < 600
    }


@pytest.mark.parametrize("function", ["console", "publish", "session_api"])
def test_the_described_statuses_match_the_functions(function: str) -> None:
    """The statuses are those of its routes together; some of them API Gateway answers as well."""
    described_ones = {
        status
        for route, operation in operations()
        if deployed()[route] == function
        for status in operation["responses"]
    }
    assert described_ones - GATEWAYS_OWN <= statuses_of(function) <= described_ones
