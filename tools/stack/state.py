"""State of a stack between two commands, in a file that may be missing, half written or garbage at any time."""

import json
import os
import stat
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_VERSION = 2
_OWNER_ONLY = stat.S_IRUSR | stat.S_IWUSR


@dataclass(frozen=True)
class Fingerprint:
    """Inputs of an apply; equal fingerprints mean that another apply would change nothing."""

    code: str
    terraform: str
    variables: str

    def changed_since(self, earlier: "Fingerprint") -> list[str]:
        """The names of the parts that differ, as an operator calls them."""
        named = {"code": "functions", "terraform": "Terraform sources", "variables": "variables"}
        return [title for part, title in named.items() if getattr(self, part) != getattr(earlier, part)]


@dataclass(frozen=True)
class Applied:
    """A finished apply.

    Attributes:
        fingerprint: what it was made of.
        outputs: Terraform's, of the hub.
        cells: Terraform's, of each further cell.
    """

    fingerprint: Fingerprint
    outputs: dict[str, Any]
    cells: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class StackState:
    """Ports, the local AWS that Terraform's state belongs to, and how far the last apply came.

    Attributes:
        aws_port: where the local AWS listens.
        gateway_port: where the gateway stand-in listens.
        cell_ports: where those of the further cells listen, by the cells' names.
        secret: the secret access key of every account's root; random, and known to nobody else.
        throttling: the local AWS keeps to AWS's rates.
        engine: the container engine that the local AWS was given; empty when it needs none.
        aws_identity: process id and random number of that local AWS; another process holds none of the resources.
        applying: an apply was begun and its end never seen, so that Terraform's state may lack what was made.
        applied: the last apply that succeeded; None when the last one failed.
        seeded: the sample tenants have been put, so that tenants that the operator deletes stay deleted.
    """

    aws_port: int
    gateway_port: int
    secret: str = field(repr=False)
    aws_identity: str = ""
    engine: str = ""
    throttling: bool = True
    applying: bool = False
    applied: Applied | None = field(default=None)
    seeded: bool = False
    cell_ports: dict[str, int] = field(default_factory=dict)


def load_state(path: Path) -> StackState | None:
    """The remembered state; None if there is none that can be understood. OSError if it cannot be read."""
    try:
        document = json.loads(path.read_bytes())
        if document.pop("version") != _VERSION:
            return None
        applied = document.pop("applied")
        if applied is not None:
            applied = Applied(
                Fingerprint(**applied["fingerprint"]), dict(applied["outputs"]), dict(applied.get("cells", {}))
            )
        state = StackState(**document, applied=applied)
        ports: tuple[object, ...] = (state.aws_port, state.gateway_port, *state.cell_ports.values())
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None
    secret: object = state.secret
    if not isinstance(secret, str) or not secret:
        return None
    return state if all(isinstance(port, int) and 0 < port < 65536 for port in ports) else None


def save_state(path: Path, state: StackState) -> None:
    """Write the state for its owner alone, and so that a crash leaves the old one or the new one, never a mixture."""
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)
    with open(temporary, "x", opener=_private) as file:
        json.dump({"version": _VERSION, **asdict(state)}, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, _OWNER_ONLY)
