"""Terraform's own checks of every module: `terraform test`, with a mocked provider."""

import json
import re
from pathlib import Path

import pytest

from tests.terraform.running import SOURCE, LinkedTerraform, linked

MODULES = sorted(path.parent.name for path in SOURCE.glob("modules/*/versions.tf"))
_ROLE = r'^resource "aws_iam_role" "(\w+)" \{\n(.*?)^\}'


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to the sources."""
    return linked(tmp_path_factory.mktemp("modules") / "terraform")


def test_sources_are_formatted(terraform: LinkedTerraform) -> None:
    """`terraform fmt` has nothing to change."""
    assert terraform.run(SOURCE, "fmt", "-check", "-recursive") == ""


@pytest.mark.parametrize("module", MODULES)
def test_every_module_passes_its_tests(terraform: LinkedTerraform, tree: Path, module: str) -> None:
    """Its runs pass: legal values make the intended resources, illegal ones are refused."""
    terraform.initialise(tree / "modules" / module)
    assert terraform.passed_runs(tree / "modules" / module), f"{module} has no tests"


def roles() -> dict[str, str]:
    """The blocks of all roles but that of GitHub's workflows, by file and name."""
    return {
        f"{path.relative_to(SOURCE)}: {name}": block
        for path in SOURCE.glob("*/*/*.tf")
        if path.parent.name != "github_role"
        for name, block in re.findall(_ROLE, path.read_text(), re.MULTILINE | re.DOTALL)
    }


def test_every_role_of_a_deployment_has_the_boundary() -> None:
    """CI cannot make a role without it, as only an apply in AWS would tell."""
    found = roles()
    assert len(found) == len(_roles_by_word())
    assert [name for name, block in found.items() if "  permissions_boundary " not in block] == []


def test_every_role_of_a_deployment_has_the_deployments_path() -> None:
    """CI may pass on, and change the trust of, nothing else: a role that happens to bear the prefix is not its own."""
    found = roles()
    own = re.compile(r'^  path += "/\$\{var\.(deployment\.)?prefix\}/"$', re.MULTILINE)
    assert len(found) == len(_roles_by_word())
    assert [name for name, block in found.items() if not own.search(block)] == []


_RESOURCE = re.compile(r'^resource "(?P<type>aws_\w+)" "\w+" \{\n(?P<block>.*?)^\}', re.MULTILINE | re.DOTALL)
_TAKES_A_ROLE = re.compile(r"^ +\w+ += aws_iam_role\.[\w.\[\]]+\.arn$", re.MULTILINE)
_TAKER = {
    "aws_api_gateway_account": "apigateway.amazonaws.com",
    "aws_apigatewayv2_integration": "apigateway.amazonaws.com",
    "aws_lambda_function": "lambda.amazonaws.com",
}


def test_ci_may_pass_roles_only_to_services_that_need_them() -> None:
    """The apply role's policy names each service that a resource hands a role to, and none besides."""
    takers = {
        found["type"]
        for path in SOURCE.glob("*/*/*.tf")
        for found in _RESOURCE.finditer(path.read_text())
        if _TAKES_A_ROLE.search(found["block"])
    }
    assert takers == _TAKER.keys()
    apply = (SOURCE / "stacks" / "registry" / "apply.tf").read_text()
    (services,) = re.findall(r'"iam:PassedToService" = (\[[^\]]*\])', apply)
    assert sorted(json.loads(services)) == sorted(set(_TAKER.values()))


def _roles_by_word() -> list[str]:
    """Each mention of a role's type: more than one, and none that the pattern of `roles` overlooks."""
    texts = (path.read_text() for path in SOURCE.glob("*/*/*.tf") if path.parent.name != "github_role")
    found = [match for text in texts for match in re.findall(r'resource +"aws_iam_role" ', text)]
    assert len(found) > 1
    return found
