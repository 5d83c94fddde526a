"""Terraform's own checks of every stack, with the values of all environments."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.terraform.quotas import PlannedResource, broken
from tests.terraform.running import SOURCE, LinkedTerraform, linked
from tools.toolchain.provider import LOCK

ENVIRONMENTS = sorted(path.parent for path in SOURCE.glob("environments/*/hub.tfvars"))
STACKS = sorted(path.parent.name for path in SOURCE.glob("stacks/*/versions.tf"))
_GIVEN_BY_THE_RELEASE = """
package = {
  image = {
    repository_url = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
    digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
  }
}
"""
_GIVEN_BY_THE_HUB = """
cell = {
  prefix                = "loudhailer-dev"
  environment           = "dev"
  region                = "eu-central-1"
  account_id            = "555555555555"
  role = {
    arn         = "arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-subscriber-blue"
    external_id = "blue-1"
  }
  shards = {
    shard-6 = {
      url = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-shard-6"
      arn = "arn:aws:sqs:eu-central-1:222222222222:loudhailer-dev-shard-6"
    }
  }
  callback_endpoint     = "https://a1b2c3d4e5.execute-api.eu-central-1.amazonaws.com/live"
  outcome_queue_url     = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-outcome"
  dead_letter_queue_url = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-dead-letter"
  lane_posts_per_second = 612
  lane_shares           = { normal = 0.9, low = 0.1 }
  lanes_table           = "loudhailer-dev-lanes"
  concurrency           = 2
  timeout               = 10
}
"""
_GIVEN_TO_A_CELL = """
hub = {
  name                     = "north"
  prefix                   = "loudhailer-dev"
  environment              = "dev"
  region                   = "eu-central-1"
  account_id               = "666666666666"
  hub_region               = "eu-central-1"
  hub_account_id           = "222222222222"
  role = {
    arn         = "arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-cell-north"
    external_id = "north-1"
  }
  topic_arn                = "arn:aws:sns:eu-central-1:222222222222:loudhailer-dev-broadcast"
  tables = {
    broadcasts = "loudhailer-dev-broadcasts"
    cells      = "loudhailer-dev-cells"
    tenants    = "loudhailer-dev-tenants"
  }
  weights                  = { hub = 1, north = 1 }
  placement                = { home_connections = 20000, beat_seconds = 5, lease_seconds = 15 }
  messages = {
    role_arn         = "arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-cell-north-messages"
    queue_url        = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-forward-north.fifo"
    placements_table = "loudhailer-dev-placements"
  }
  message_lifetime_seconds = 300
}
"""
_BLOCK = re.MULTILINE | re.DOTALL
GIVEN = {
    "cell": _GIVEN_BY_THE_RELEASE + _GIVEN_TO_A_CELL,
    "hub": _GIVEN_BY_THE_RELEASE,
    "subscriber": _GIVEN_BY_THE_RELEASE + _GIVEN_BY_THE_HUB,
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Links to the sources."""
    return linked(tmp_path_factory.mktemp("stacks") / "terraform")


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_is_valid_with_the_values_of_every_environment(
    terraform: LinkedTerraform, tree: Path, stack: str
) -> None:
    """With the locked provider; values as they are committed go through all validations, and keep AWS's quotas."""
    root = tree / "stacks" / stack
    lock = (SOURCE / "stacks" / stack / LOCK).read_text()
    LinkedTerraform().initialise(root)
    assert (root / LOCK).read_text() == lock
    planned = {
        f"the_values_of_{environment.name}_can_be_planned": committed_values(environment, stack)
        for environment in ENVIRONMENTS
        if (environment / f"{stack}.tfbackend").exists()
    }
    assert planned
    if stack == "hub":
        planned["the_largest_map_of_shards_can_be_planned"] = largest_hub()
    mocks, _, _ = (root / "tests" / f"{stack}.tftest.hcl").read_text().partition("\nvariables {")
    blocks = [
        f'run "{name}" {{\n  command = plan\n  variables {{\n{values}\n  }}\n}}' for name, values in planned.items()
    ]
    assert terraform.passed_runs(root)
    (root / "tests" / "values.tftest.hcl").write_text("\n".join([mocks, *blocks]))
    runs = terraform.planned_runs(root, "values.tftest.hcl")
    assert set(planned) == set(runs)
    for name, values in planned.items():
        assert runs[name]
        assert broken(runs[name], concurrency=concurrency_of(values)) == []
        # A client's message reaches the cell of its function alone, so clients publish where there is no other.
        is_alone = re.search(r"^cells += \{\"", values, re.MULTILINE) is None
        expected = {"hub": {"true" if is_alone else "false"}, "cell": {"false"}}
        assert settings(runs[name], "PUBLISHING_ENABLED") == expected.get(stack, set())


def settings(resources: Iterable[PlannedResource], name: str) -> set[str]:
    """The values of a variable in all functions that have it."""
    environments = [one for resource in resources for one in resource.values.get("environment") or ()]
    return {one["variables"][name] for one in environments if name in one["variables"]}


def concurrency_of(values: str) -> int:
    """The account's concurrency, where the values name one; Lambda's default otherwise."""
    named = re.search(r"^lambda_concurrency += (\d+)", values, re.MULTILINE)
    return int(named[1]) if named else 1_000


def committed_values(environment: Path, stack: str) -> str:
    """The values of an environment for a stack, with the additions of a release, in Terraform's language."""
    values = (environment / f"{stack}.tfvars").read_text() + GIVEN.get(stack, "")
    if stack == "hub":
        for path in environment.glob("*.tfvars.json"):
            for name, value in json.loads(path.read_text()).items():
                values += f"{name} = {json.dumps(value)}\n"
    return values


def largest_hub() -> str:
    """The values of an environment, with a name of 16 characters, all shards that a map may have, and none reserved."""
    values = committed_values(ENVIRONMENTS[0], "hub")
    for name, value in {
        "environment": '"e234567890123456"',
        "broadcast": "{ shards = { count = 32, concurrency = 2 } }",
        "functions": "{}",
    }.items():
        values, replaced = re.subn(rf"^{name} += (?:\{{\n.*?^\}}|[^\n{{]+)$", f"{name} = {value}", values, flags=_BLOCK)
        assert replaced == 1, name
    return values


def test_every_account_may_pull_the_image() -> None:
    """An account that the registry's map forgets is found here, and not by its first release."""
    settings = SOURCE / "environments"
    deployed = {
        account for stack in STACKS for path in settings.glob(f"*/{stack}.tfvars") for account in own_accounts(path)
    } | {
        account["account_id"]
        for path in settings.glob("*/*.tfvars.json")
        for accounts in json.loads(path.read_text()).values()
        for account in accounts.values()
    }
    local = own_accounts(settings / "local" / "hub.tfvars")
    (keeper,) = (path for path in settings.glob("*/registry.tfvars") if "\naccounts " in path.read_text())
    _, _, pulling = keeper.read_text().partition("\naccounts ")
    assert deployed - local == set(re.findall(r'account_id += "(\d+)"', pulling))


def own_accounts(values: Path) -> set[str]:
    """The account that a file of values is for."""
    return set(re.findall(r'^account_id += "(\d+)"', values.read_text(), re.MULTILINE))


def test_the_functions_of_a_cell_have_the_hubs_defaults() -> None:
    """Each stack has a map of its own: Terraform shares none between root modules."""
    defaults = {
        stack: dict(
            re.findall(r"^    ([\w-]+) += (\{.*\})$", functions.partition("function_defaults = {")[2], re.MULTILINE)
        )
        for stack in ("hub", "cell")
        for functions in [(SOURCE / "stacks" / stack / "functions.tf").read_text()]
    }
    hub, cell = defaults["hub"], defaults["cell"]
    assert hub.keys() - cell.keys() == {"console", "forward_message", "publish", "session_api"}
    assert cell.keys() - hub.keys() == {"beat", "report"}
    assert {name: cell[name] for name in cell.keys() & hub.keys()} == {
        name: hub[name] for name in cell.keys() & hub.keys()
    }


@pytest.mark.parametrize("variable", ["connections", "deployment", "messaging", "quota", "session_share"])
def test_a_cell_refuses_the_values_that_the_hub_refuses(variable: str) -> None:
    """Each stack checks its own variables: Terraform tests expect failures of a root module's variables only."""
    hub, cell = (
        re.findall(r"^  validation \{\n.*?^  \}$", declared.partition("\n}\n")[0], re.MULTILINE | re.DOTALL)
        for stack in ("hub", "cell")
        for sources in [(SOURCE / "stacks" / stack / "variables.tf").read_text()]
        for declared in [sources.partition(f'variable "{variable}" {{\n')[2]]
    )
    assert hub == cell != []


def test_a_cell_that_is_declared_twice_is_refused(tmp_path: Path) -> None:
    """As JSON, in which environments declare cells; of two in HCL, Terraform takes the last without a word."""
    (tmp_path / "main.tf").write_text('variable "cells" {\n  type = map(object({ account_id = string }))\n}\n')
    north = '"north": {"account_id": "444444444444"}'
    (tmp_path / "cells.tfvars.json").write_text(f'{{"cells": {{{north}, {north}}}}}')
    with pytest.raises(AssertionError, match='An attribute named "north" was already defined'):
        LinkedTerraform().run(tmp_path, "plan", "-input=false", "-no-color", "-var-file=cells.tfvars.json")
