"""The second engine of IAM finds the decisions that are wrong, and no others."""

import json
from pathlib import Path
from typing import Any

from tests.support.decisions import disagreements

TABLE = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions"


def decision(made: str, leading_keys: list[str], **changes: Any) -> dict[str, Any]:
    """A decision on a row, by the policy that keeps tenants apart."""
    own_rows = {"dynamodb:LeadingKeys": ["${aws:PrincipalTag/tenantId}#*"]}
    statement = {
        "Effect": "Allow",
        "Action": ["dynamodb:GetItem"],
        "Resource": [TABLE],
        "Condition": {"ForAllValues:StringLike": own_rows, "Null": {"dynamodb:LeadingKeys": "false"}},
    }
    question = {
        "principal": "arn:aws:sts::111111111111:assumed-role/connect-tenant/session",
        "account": "111111111111",
        "action": "dynamodb:GetItem",
        "resource": TABLE,
        "context": {"aws:principaltag/tenantid": "acme", "dynamodb:leadingkeys": leading_keys},
        "policies": [{"Version": "2012-10-17", "Statement": [statement]}],
        "limits": [],
        "decision": made,
    }
    return question | changes


def test_a_decision_that_admits_a_tenant_to_another_tenants_row_is_found(tmp_path: Path) -> None:
    """So is an action that the second engine does not know: it cannot vouch for it."""
    written = [
        decision("Allow", ["acme#one"]),
        decision("ImplicitDeny", ["other#one"]),
        decision("Allow", ["other#two"]),
        decision("Allow", ["acme#one"], action="dynamodb:Invented"),
        decision("Allow", [], action="apigateway:POST"),
    ]
    path = tmp_path / "decisions"
    path.write_text("".join(f"{json.dumps(line)}\n" for line in written))
    wrong, unknown = disagreements(path)
    assert "other#two" in wrong
    assert "the local AWS said Allow, the second engine {'decision': 'ImplicitlyDenied'}" in wrong
    assert "dynamodb:Invented" in unknown
