"""The program of a worker process: loads a function's handler, then answers one invocation after the other.

It runs by itself, outside the project: only the standard library, the installed packages and the function's own code
can be imported. Requests and responses are lines of JSON on two pipes whose descriptors are the arguments; stdout
and stderr are the function's log.
"""

import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

type Handler = Callable[[Any, Any], Any]

_DESCRIPTORS = 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html


class Context:
    """Facts that a handler gets about its invocation.

    https://docs.aws.amazon.com/lambda/latest/dg/python-context.html
    """

    function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
    function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
    memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
    log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
    log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
    identity = None
    client_context = None

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id = request["requestId"]
        self.invoked_function_arn = request["functionArn"]
        self._deadline = request["deadline"]

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the invocation times out."""
        return max(0, int((self._deadline - time.time()) * 1000))


def failure(error: Exception) -> dict[str, Any]:
    """An exception as Lambda reports it."""
    return {
        "errorMessage": str(error),
        "errorType": type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def load(handler: str) -> Handler:
    """The function that `package.module.name` names (slashes may separate packages)."""
    module, _, name = handler.replace("/", ".").rpartition(".")
    function: Handler = getattr(importlib.import_module(module), name)
    return function


def answer(handler: Handler, request: dict[str, Any]) -> str:
    """Run one invocation; the response as a line of JSON."""
    os.environ["_X_AMZN_TRACE_ID"] = request["traceId"] or ""
    try:
        return json.dumps({"result": handler(request["event"], Context(request))})
    except Exception as error:  # noqa: BLE001 (whatever a handler raises is its answer)
        traceback.print_exc()
        return json.dumps({"error": failure(error)})
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def main() -> None:
    """Serve until the request pipe is closed."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (_DESCRIPTORS, _DESCRIPTORS))
    requests = os.fdopen(int(sys.argv[1]), encoding="utf-8")
    responses = os.fdopen(int(sys.argv[2]), "w", encoding="utf-8", buffering=1)
    # An editable install puts the project itself on the path: what a package lacks must not be found there.
    installed = [entry for entry in sys.path if entry.startswith((sys.prefix, sys.base_prefix))]
    sys.path[:] = [os.environ["LAMBDA_TASK_ROOT"], *installed]
    try:
        handler = load(os.environ["_HANDLER"])
    except Exception as error:  # noqa: BLE001 (an init error of any kind is reported)
        traceback.print_exc()
        responses.write(json.dumps({"error": failure(error)}) + "\n")
        return
    responses.write('{"ready": true}\n')
    for line in requests:
        responses.write(answer(handler, json.loads(line)) + "\n")


if __name__ == "__main__":
    main()
