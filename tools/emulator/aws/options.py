"""Options of the launcher: its command line, and the secret in its environment."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Options:
    """The local AWS: where it listens, where it keeps its state, how much of the machine it may take.

    Attributes:
        secret: the secret access key of every account's root.
        decisions: where IAM's decisions are written down, if the environment names a file.
    """

    port: int
    state_dir: Path
    account: str
    region: str
    ready_file: Path | None
    ttl_interval: float
    workers_per_function: int
    workers: int
    engine: str
    log_level: str
    trust_web_identities: bool
    throttling: bool
    transaction_seconds: float
    decisions: Path | None
    secret: str = field(repr=False)

    @property
    def scratch_dir(self) -> Path:
        """Unpacked code and MiniStack's temporary files; emptied at every start."""
        return self.state_dir / "tmp"

    @property
    def images_dir(self) -> Path:
        """Code of images that are run without an engine: a folder for each, called by the 64 digits of its digest."""
        return self.state_dir / "images"


DECISIONS = "LOUDHAILER_DECISIONS"
"""The variable with the file of IAM's decisions; tests set it."""

_SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name


def parse(arguments: list[str], environment: Mapping[str, str]) -> Options:
    """Read command line and environment; what is wrong ends the process with a usage message.

    The secret is not on the command line, which every user of the machine can read.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.emulator.aws", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--state-dir", type=Path, required=True, help="kept from one start to the next")
    parser.add_argument("--account", required=True, help="12-digit id of the account that the HTTP APIs belong to")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--ready-file", type=Path, help="written when ready, with the line that stdout gets")
    parser.add_argument("--ttl-interval", type=float, default=5.0, help="seconds between two sweeps of expired items")
    parser.add_argument("--workers-per-function", type=int, default=4, help="processes one function may have")
    # Twenty functions, of which a broadcast takes half. Without room, an idle worker is ended, and is missed soon: with
    # 24, three of ten starts replaced a worker that had to go.
    parser.add_argument("--workers", type=int, default=40, help="processes all functions may have together")
    parser.add_argument("--engine", default="", help="address of the container engine that runs functions of images")
    parser.add_argument("--log-level", default="WARNING", help="of MiniStack's own log, on stderr")
    parser.add_argument(
        "--trust-web-identities",
        action="store_true",
        help="let anybody assume a role with a web identity, whose token is not checked",
    )
    parser.add_argument(
        "--no-throttling",
        dest="throttling",
        action="store_false",
        help="answer DynamoDB's and STS's requests at any rate, and read queues in as many batches as are allowed",
    )
    parser.add_argument(
        "--transaction-seconds",
        type=float,
        default=0.005,
        help="how long a transaction of DynamoDB takes, unless throttling is off: others may not write to its items",
    )
    options = parser.parse_args(arguments)
    if not environment.get(_SECRET):
        parser.error(f"the environment must hold {_SECRET}, the secret access key of every account's root")
    decisions = Path(environment[DECISIONS]) if environment.get(DECISIONS) else None
    return Options(**vars(options), secret=environment[_SECRET], decisions=decisions)
