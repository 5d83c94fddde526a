"""The check of IAM policies: each one that Terraform declares is planned, and each one planned is judged by checkov."""

from pathlib import Path
from typing import Any

import pytest

from tools.errors import OperatorError
from tools.policies import CHECKS, Declared, PlannedPolicy, declared, planned, problems

SOURCE = "lambda_function.aws_iam_role_policy.this"
ADDRESS = "hub.module.cell.module.connect.aws_iam_role_policy.this"
POLICY = PlannedPolicy(ADDRESS, SOURCE, {})


def report(*checks: str, failed: tuple[str, ...] = ()) -> dict[str, Any]:
    """A report of checkov about the policy."""
    return {
        "results": {
            "passed_checks": [{"resource": ADDRESS, "check_id": check} for check in checks],
            "failed_checks": [{"resource": ADDRESS, "check_id": check, "check_name": "Too much"} for check in failed],
        }
    }


def test_a_policy_that_passes_every_check_is_no_problem() -> None:
    """No problem is reported."""
    assert problems([POLICY], [Declared(SOURCE, frozenset())], report(*CHECKS)) == []


def test_a_policy_that_checkov_could_not_read_is_a_problem() -> None:
    """Checkov itself would say nothing: it gives no result, and succeeds."""
    found = problems([POLICY], [Declared(SOURCE, frozenset())], report("CKV_AWS_62", "CKV_AWS_63"))
    assert len(found) == len(CHECKS)
    assert found[0] == f"checkov has no result of CKV_AWS_286 for {ADDRESS}: it could not read the policy."


def test_a_policy_that_no_plan_has_is_a_problem() -> None:
    """A role that only a variable brings would never be judged."""
    found = problems([POLICY], [Declared(SOURCE, frozenset()), Declared("cell.other", frozenset())], report(*CHECKS))
    assert [text.partition(" is in no plan")[0] for text in found] == ["cell.other"]


def test_a_failed_check_is_a_problem_unless_the_resource_excepts_it() -> None:
    """The exception is for that check of that resource alone."""
    failing = report(*CHECKS - {"CKV_AWS_290", "CKV_AWS_355"}, failed=("CKV_AWS_290", "CKV_AWS_355"))
    found = problems([POLICY], [Declared(SOURCE, frozenset({"CKV_AWS_290"}))], failing)
    assert found == [f"{ADDRESS} fails CKV_AWS_355: Too much."]


def test_exceptions_are_read_where_the_policy_is_declared() -> None:
    """One without a reason is none."""
    excepted = {policy.name: policy.exceptions for policy in declared()}
    assert excepted["registry.aws_iam_policy.boundary"] == {"CKV_AWS_290", "CKV_AWS_355"}
    assert excepted[SOURCE] == frozenset()


def test_every_policy_of_the_sources_is_declared(tmp_path: Path) -> None:
    """Policies of modules and of stacks count; a reason that is missing makes no exception."""
    for name in ("modules/one", "stacks/two"):
        (tmp_path / name).mkdir(parents=True)
    block = 'resource "{}" "it" {{\n  #checkov:skip=CKV_AWS_1:{}\n}}\n'
    (tmp_path / "modules/one/iam.tf").write_text(block.format("aws_iam_role_policy", ""))
    (tmp_path / "stacks/two/iam.tf").write_text(block.format("aws_iam_policy", "the reason"))
    assert declared(tmp_path) == [
        Declared("one.aws_iam_role_policy.it", frozenset()),
        Declared("two.aws_iam_policy.it", frozenset({"CKV_AWS_1"})),
    ]


def test_a_stack_without_the_run_is_refused(tmp_path: Path) -> None:
    """A run that is renamed must not leave the stack's policies out."""
    (tmp_path / "hub" / "tests").mkdir(parents=True)
    (tmp_path / "hub" / "tests" / "hub.tftest.hcl").write_text('variables {\n}\n\nrun "another" {\n}\n')
    with pytest.raises(OperatorError, match="no run the_stack_with_all_its_roles"):
        list(planned(tmp_path / "hub", {}))
