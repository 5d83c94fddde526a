"""The mapping templates, rendered by two engines that share no code: airspeed in Python, velocityjs in Node.js.

API Gateway's own engine is Velocity in Java. If both agree to the byte, the templates depend on neither's
peculiarities.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.hostile_texts import HOSTILE
from tools.emulator.gateway.mapping_template import render

NODE = Path(sys.executable).with_name("node")
ENGINE = Path(__file__).with_name("render.mjs")
TEMPLATES = Path(__file__).parents[3] / "terraform" / "modules" / "websocket_api" / "templates"
OF_AUTHORIZER = (
    *(
        "partition",
        "tenantId",
        "sessionId",
        "sessionPerMinute",
        "tenantPerMinute",
        "connectionsPerSession",
        "sessionTTL",
    ),
    *("tenantConnections", "messagesPerMinute"),
)
ALL_CHARACTERS = "".join(map(chr, (*range(0x180), 0x20AC, 0xD7FF, 0xE000, 0xFEFF, 0xFFFD, 0x10000, 0x1F600, 0x10FFFF)))
LENGTHS = (0, 1, 62, 63, 64)


def context(**authorizer: str) -> dict[str, Any]:
    """A message's `$context`."""
    known = {name: f"value of {name}" for name in OF_AUTHORIZER}
    return {"connectionId": "L0SM9cOF+HcCI/w=", "requestId": "Kh2/+9cOvHcCIhw=", "authorizer": known | authorizer}


def cases() -> list[dict[str, Any]]:
    """Each template, as Terraform deploys it, with hostile texts in every place that a client or a tenant can reach."""
    texts = [*HOSTILE, ALL_CHARACTERS, "&=%+ \N{GRINNING FACE}" * 10_000]
    ids = [context(tenantId="t" * tenant, sessionId="s" * session) for tenant in LENGTHS for session in LENGTHS]
    hostile = [context(**{name: text}) for name in OF_AUTHORIZER for text in HOSTILE]
    found = []
    for path in sorted(TEMPLATES.glob("*.vtl")):
        template = path.read_text().replace("\n", "")
        found += [{"template": template, "body": body, "context": context()} for body in texts]
        found += [{"template": template, "body": "body", "context": each} for each in (*ids, *hostile)]
    return found


def test_both_engines_render_the_same_bytes() -> None:
    """Whatever a client or a tenant's settings put in, with groups shorter and longer than SQS takes."""
    given = cases()
    run = subprocess.run([NODE, ENGINE], input=json.dumps(given), capture_output=True, text=True, check=True)
    rendered = json.loads(run.stdout)
    assert len(rendered) == len(given) > 300
    for case, text in zip(given, rendered, strict=True):
        assert text.encode() == render(case["template"], case["body"], case["context"], {}).encode()
