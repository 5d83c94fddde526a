"""Command line: `python -m tools.emulator.gateway`, with `--aws-endpoint URL --account ID`, or with `ceiling`."""

import argparse
import asyncio
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import uvloop
from botocore.exceptions import BotoCoreError, ClientError

from tools.emulator.gateway.api import AwsApiSource
from tools.emulator.gateway.callers import LocalAwsSigningKeys
from tools.emulator.gateway.ceiling import measure
from tools.emulator.gateway.faults import Faults
from tools.emulator.gateway.limits import Limits
from tools.emulator.gateway.open_files import raise_open_files
from tools.emulator.gateway.server import Gateway

_SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - a name
"""Not on the command line, which every user of the machine can read."""

_CEILING_HINT = (
    "this machine may reach less than the quota: `python -m tools.emulator.gateway ceiling` measures what it can do"
)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line; limits and faults are one flag each, named like their fields."""
    parser = argparse.ArgumentParser(
        "python -m tools.emulator.gateway", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=("serve", "ceiling"), default="serve")
    parser.add_argument("--aws-endpoint", help="where APIs are read and functions invoked")
    parser.add_argument("--account", action="append", default=[], help="an account whose APIs are served; repeatable")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--ready-file", type=Path, help="write the ready line here instead of to stdout")
    parser.add_argument("--sockets", type=int, default=10_000, help="ceiling: connected clients")
    parser.add_argument("--seconds", type=float, default=5.0, help="ceiling: time of posting")
    _add_flags(parser.add_argument_group("limits"), Limits)
    _add_flags(parser.add_argument_group("faults"), Faults)
    options = parser.parse_args(arguments)
    if options.command == "serve" and not (options.aws_endpoint and options.account):
        parser.error("--aws-endpoint and --account are needed to serve")
    if options.command == "serve" and not os.environ.get(_SECRET):
        parser.error(f"the environment must hold {_SECRET}, the secret access key of every account's root")
    return options


def read_flags[T](kind: type[T], options: argparse.Namespace) -> T:
    """The limits or faults of the command line."""
    return kind(**{each.name: getattr(options, each.name) for each in fields(kind)})  # type: ignore[arg-type]


async def serve(options: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    limits = read_flags(Limits, options)
    secret, hub = os.environ[_SECRET], options.account[0]
    gateway = Gateway(
        source=AwsApiSource(options.aws_endpoint, options.region, options.account, secret),
        signing_keys=LocalAwsSigningKeys(options.aws_endpoint, hub, secret),
        aws_endpoint=options.aws_endpoint,
        secret=secret,
        limits=limits,
        faults=read_flags(Faults, options),
        port=options.port,
    )
    async with gateway:
        announce(ready_line(gateway.port, limits), options.ready_file)
        await stopped.wait()


def ready_line(port: int, limits: Limits) -> str:
    """Return the line that announces the gateway, with the limit that a measurement would reach."""
    content = {
        "event": "ready",
        "port": port,
        "requests_per_second": str(limits.rate),
        "burst": limits.burst,
        "hint": _CEILING_HINT,
    }
    return json.dumps(content)


def announce(line: str, ready_file: Path | None) -> None:
    """Write a file whole, or not at all: someone is polling for it."""
    if ready_file is None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        return
    partial = ready_file.with_suffix(".partial")
    partial.write_text(line + "\n")
    partial.rename(ready_file)


def _add_flags(group: Any, kind: type) -> None:
    for each in fields(kind):
        flag = "--" + each.name.replace("_", "-")
        if isinstance(each.default, bool):
            group.add_argument(flag, action="store_true", help=each.metadata["help"])
        else:
            group.add_argument(flag, type=type(each.default), default=each.default, help=each.metadata["help"])


def main() -> None:
    """Run the command."""
    options = parse()
    raise_open_files()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    if options.command == "ceiling":
        sys.stdout.write(json.dumps(measure(options.sockets, options.seconds)) + "\n")
        return
    try:
        uvloop.run(serve(options))
    except (BotoCoreError, ClientError) as error:
        sys.exit(f"The APIs cannot be read from {options.aws_endpoint}: {error}")


if __name__ == "__main__":
    main()
