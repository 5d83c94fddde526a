"""A function for the tests of workers: its event chooses its behaviour."""

import os
import sys
import time
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Logs, waits, raises or exits; says which container answers, and which facts of the invocation it got."""
    print(f"probe says {event.get('say')}")  # noqa: T201 (its log)
    time.sleep(event.get("seconds", 0))
    if "exit" in event:
        sys.stdout.flush()
        os._exit(event["exit"])
    if "raise" in event:
        raise ValueError(event["raise"])
    return {
        "container": Path("/proc/sys/kernel/hostname").read_text().strip() + os.environ["AWS_LAMBDA_RUNTIME_API"],
        "arn": context.invoked_function_arn,
        "milliseconds": context.get_remaining_time_in_millis(),
        "variables": sorted(os.environ),
        "user": os.getuid(),
    }
