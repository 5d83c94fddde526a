"""Terraform for the tests of modules and stacks, with one process of the provider for all of them."""

from collections.abc import Iterator

import pytest

from tests.terraform.running import LinkedTerraform, linked
from tools.toolchain.provider import running_provider


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LinkedTerraform]:
    """Terraform, which finds the locked provider running."""
    stack = linked(tmp_path_factory.mktemp("provider") / "terraform") / "stacks" / "hub"
    LinkedTerraform().initialise(stack)
    with running_provider(stack) as provider:
        yield LinkedTerraform(provider)
