"""Resources that Terraform made, and proof that they stay so."""

import pytest

from tests.e2e.system import System


@pytest.mark.nightly  # by day: after a full apply in tests/integration/registry, from a template in test_templates.py
@pytest.mark.image_smoke
def test_a_plan_after_up_shows_no_changes(system: System) -> None:
    """The applied resources are there unchanged: 0 says so, 2 would mean a change."""
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
