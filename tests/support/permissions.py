"""Permissions of roles in a Terraform state, in words that are the same in each account and for each stack.

`python -m tests.support.permissions <terraform.tfstate>` prints them as `tests/e2e/former_permissions.json` has them.
"""

import json
import re
import sys
from collections import defaultdict
from pathlib import Path

type Permissions = dict[str, dict[str, str]]
"""The actions on each resource, by role and resource; names are without the deployment's prefix."""

_PREFIX = re.compile(r"loudhailer-[0-9a-z]+-")
_API = re.compile(r"^[0-9a-z]+(?=/live/)")
_STREAM = re.compile(r"(?<=/stream/).*$")


def permissions(state: Path) -> Permissions:
    """Return the actions that the policies in a Terraform state allow, without their conditions."""
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for resource in json.loads(state.read_text())["resources"]:
        if resource["type"] == "aws_iam_role_policy":
            for instance in resource["instances"]:
                role = _PREFIX.sub("", instance["attributes"]["role"])
                for statement in json.loads(instance["attributes"]["policy"])["Statement"]:
                    for arn in statement["Resource"]:
                        found[role][_plain(arn)] |= {*statement["Action"]}
    return {
        role: {resource: " ".join(sorted(actions)) for resource, actions in sorted(resources.items())}
        for role, resources in sorted(found.items())
    }


def lost(before: Permissions, now: Permissions) -> list[str]:
    """Return the permissions that roles have no longer, one line each; a role that is gone needs none."""
    return [
        f"{role}: {action} on {resource}"
        for role, resources in before.items()
        if role in now
        for resource, actions in resources.items()
        for action in actions.split()
        if action not in now[role].get(resource, "").split()
    ]


def _plain(arn: str) -> str:
    """The name of a resource without account, Region, the deployment's prefix and ids that AWS has chosen."""
    *_, name = arn.split(":", 5)
    return _STREAM.sub("*", _API.sub("<api>", _PREFIX.sub("", name)))


def _main(state: str) -> None:
    sys.stdout.write(json.dumps(permissions(Path(state)), indent=2) + "\n")


if __name__ == "__main__":
    _main(*sys.argv[1:])
