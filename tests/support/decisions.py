"""IAM's decisions of a stack, asked of a second engine that shares no code with MiniStack: iam-simulate, of npm.

The local AWS logs its decisions by the policies of the caller, as Terraform has rendered them, and by policies of
queues and topics. Neither assuming roles nor actions of a service in its own name are checked.
"""

import json
import subprocess
import sys
from pathlib import Path

NODE = Path(sys.executable).with_name("node")
ENGINE = Path(__file__).with_name("decisions.mjs")

NOT_ASKED = (
    "apigateway:",
    *(f"lambda:{verb}ProvisionedConcurrencyConfig" for verb in ("Delete", "Get", "Put")),
)
"""Actions on API Gateway's own resources, of which iam-simulate does not know all. Actions on provisioned concurrency,
whose resource may be an alias or a version: it cannot distinguish them by their ARNs."""

_SAME = {"Allow": "Allowed", "Deny": "ExplicitlyDenied", "ImplicitDeny": "ImplicitlyDenied"}


def disagreements(decisions: Path) -> list[str]:
    """The decisions that the second engine makes otherwise, or cannot make, one sentence each."""
    written = [json.loads(line) for line in decisions.read_text().splitlines()]
    assert written
    asked = [question for question in written if not question["action"].startswith(NOT_ASKED)]
    lines = "".join(f"{json.dumps(question)}\n" for question in asked)
    run = subprocess.run([NODE, ENGINE], input=lines, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    return [
        f"{question['principal']} asked for {question['action']} on {question['resource']} with {question['context']}: "
        f"the local AWS said {question['decision']}, the second engine {answer}"
        for question, answer in zip(asked, answers, strict=True)
        if answer.get("decision") != _SAME[question["decision"]]
    ]
