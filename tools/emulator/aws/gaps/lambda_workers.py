"""Lambda functions run in a bounded number of worker processes, in a clean environment, with their logs kept.

AWS runs concurrent invocations of a function in separate execution environments. It reuses an idle one, keeps it when a
handler raises, and makes new ones for new code or configuration:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
The environment holds the function's variables and Lambda's own, nothing else:
https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
Its log is one stream of the function's log group:
https://docs.aws.amazon.com/lambda/latest/dg/python-logging.html

MiniStack starts a process for every concurrent invocation, without a bound, and with its own environment passed on;
it ends the process when a handler raises; it waits 50 ms for the log of a handler that logs nothing, because it
cannot tell when a log is complete; it opens a log stream for every single invocation.

Patched: how a function that is an image or a zip for Python is run (`_execute_function_dispatch`), and what ends
workers when a function is changed or deleted. Other runtimes are left to MiniStack. When a
function's workers are busy, invocations wait a moment for one before another is started; when all may be, they wait in
line; only when the line is too long or too slow do they get the 429 that AWS gives at the
account's concurrency. A function of package type Image runs in a container of the engine that the launcher is given,
under the same rules; MiniStack would find an engine by itself, and publish a port of each container. An image whose
code is unpacked in `images_dir`, under its digest, needs no engine: it is run as a zip is. Recursion detection and
durable executions are not carried over. The handler's clock starts when its process is ready: as on AWS, the function's
timeout does not count its initialization.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import io
import os
import threading
import time
import uuid
import zipfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import cloudwatch_logs, lambda_svc

from tools.emulator.aws.gaps import Gap, weighted_aliases
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.containers.container import ContainerWorker
from tools.emulator.containers.pool import PoolExhaustedError, WorkerPool
from tools.emulator.containers.worker import CallOutcome, Function, FunctionCall, FunctionImage, ProcessWorker, Worker
from tools.image.engine import ContainerEngine, engine_at

_HESITATION_SECONDS = 0.2
"""A start of a worker takes about as long on a machine that has nothing else to do."""

_NICENESS = 10
"""Functions that work off queues and streams get a third of the share of a core that others get.

In AWS each execution environment has a CPU of its own, so no answer waits for work in the background. Here all share
the machine's cores, and a crowd's work in queues would hold up each connect and each frame.
"""

_STOCK_DISPATCH = lambda_svc._execute_function_dispatch


def gap(options: Options) -> Gap:
    """Run functions in a pool of workers of the launcher's own."""
    held = ExitStack()
    engine = held.enter_context(engine_at(options.engine)) if options.engine else None
    pool = WorkerPool(options.workers_per_function, options.workers, _starter(engine), hesitation=_HESITATION_SECONDS)
    packages = _Packages(options.scratch_dir / "code")
    endpoint = f"http://127.0.0.1:{options.port}"

    def dispatch(
        func: dict[str, Any], config: dict[str, Any], event: Any, request_id: str, started: float
    ) -> dict[str, Any]:
        func, config = weighted_aliases.chosen(func, config)
        if config.get("PackageType") == "Image":
            function = _function_of_image(config, options.images_dir, endpoint)
        elif (code := func.get("code_zip")) and config.get("Runtime", "").startswith("python"):
            function = _function_of_zip(config, packages.unpacked(config["CodeSha256"], code), endpoint)
        else:
            stock: dict[str, Any] = _STOCK_DISPATCH(func, config, event, request_id, started)
            return stock
        trace_id = lambda_svc._xray_trace_id_for_invocation(config)
        try:
            with pool.lease(function) as worker:
                outcome = worker.invoke(FunctionCall(event, request_id, config["FunctionArn"], trace_id))
                log_stream = worker.log_stream
        except PoolExhaustedError:
            throttle: dict[str, Any] = lambda_svc._throttle_response(
                reason_code="ConcurrentInvocationLimitExceeded", msg="Rate Exceeded: every local worker is busy"
            )
            return throttle
        _write_log(config, log_stream, request_id, outcome, time.time() - started)
        if outcome.error is not None:
            return {"body": dict(outcome.error), "error": True, "function_error": "Unhandled", "log": outcome.log}
        return {"body": outcome.result, "log": outcome.log}

    def invalidate(
        func_name: str, qualifier: str | None = None, account: str | None = None, region: str | None = None
    ) -> None:
        wanted = (account, region, func_name, qualifier)

        def concerns(function: Function) -> bool:
            actual = (*function.name.split(":"), function.version)
            return all(want in (None, have) for want, have in zip(wanted, actual, strict=True))

        pool.retire(concerns)

    def reset() -> None:
        pool.retire(lambda _: True)

    return Gap(
        patches=(
            Patch(
                "ministack.services.lambda_svc:_execute_function_dispatch",
                "f62cd259213ecef7ae51bf01a6dd1aa326a031f4e9dfd9d8ac9f497cc8cbe623",
                dispatch,
            ),
            Patch(
                "ministack.core.lambda_runtime:invalidate_worker",
                "1be5d7f769f5c6086d18043c5cc342193ff87299c41a9d40078ccd1c1acd9eec",
                invalidate,
            ),
            Patch(
                "ministack.core.lambda_runtime:reset",
                "03a9add47fe32316111ddd08f439aca28faa536176992e8413f12da22d33697f",
                reset,
            ),
        ),
        close=(pool.close, held.close),
    )


def _starter(engine: ContainerEngine | None) -> Callable[[Function], Worker]:
    def start(function: Function) -> Worker:
        match function.code:
            case Path() as code:
                return ProcessWorker(function, code, niceness=_NICENESS if _is_mapped(function) else 0)
            case FunctionImage() as image if engine is not None:
                return ContainerWorker(function, image, engine, _write_lines)
        raise RuntimeError(f"{function.name} is an image: start the local AWS with --engine.")

    return start


def _is_mapped(function: Function) -> bool:
    """Tell whether an event source mapping invokes a function: no client waits for its answer."""
    account, region, name = function.name.split(":")
    return any(
        (account, region, name) == (of_account, of_region, esm["FunctionName"])
        for of_account, of_region, esm in lambda_svc._iter_all_esms()
    )


class _Packages:
    """Unpacked deployment packages, one folder for each content."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def unpacked(self, sha256: str, code: bytes) -> Path:
        """The folder with the content of the zip `code`."""
        folder = self._root / sha256.translate(_PATH_SAFE)
        with self._lock:
            if not folder.exists():
                with zipfile.ZipFile(io.BytesIO(code)) as package:
                    package.extractall(folder)
        return folder


_PATH_SAFE = str.maketrans("+/", "-_", "=")


def _function_of_zip(config: dict[str, Any], code: Path, endpoint: str) -> Function:
    return _function_of_folder(config, code, config["Handler"], endpoint)


def _function_of_image(config: dict[str, Any], unpacked: Path, endpoint: str) -> Function:
    # Locally the digest is the engine's own id of the image, which no repository knows.
    _, _, identity = config["ImageUri"].rpartition("@")
    command = config.get("ImageConfigResponse", {}).get("ImageConfig", {}).get("Command", [])
    code = unpacked / identity.removeprefix("sha256:")
    if code.is_dir():
        return _function_of_folder(config, code, command[0], endpoint)
    return _function(config, FunctionImage(identity, tuple(command)), _environment(config, endpoint))


def _function_of_folder(config: dict[str, Any], code: Path, handler: str, endpoint: str) -> Function:
    environment = {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        **_environment(config, endpoint),
        "_HANDLER": handler,
        "LAMBDA_TASK_ROOT": str(code),
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{config.get('Runtime') or 'python3.13'}",
    }
    return _function(config, code, environment)


def _function(config: dict[str, Any], code: Path | FunctionImage, environment: dict[str, str]) -> Function:
    account, region = lambda_runtime._account_region_from_function_config(config)
    return Function(
        name=f"{account}:{region}:{config['FunctionName']}",
        version=config.get("Version", "$LATEST"),
        code=code,
        timeout=float(config.get("Timeout", 3)),
        environment=tuple(sorted(environment.items())),
    )


def _environment(config: dict[str, Any], endpoint: str) -> dict[str, str]:
    """The function's variables, and those of Lambda's that do not depend on how it is packaged."""
    _, region = lambda_runtime._account_region_from_function_config(config)
    return {
        "AWS_ENDPOINT_URL": endpoint,
        **config.get("Environment", {}).get("Variables", {}),
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_LAMBDA_FUNCTION_NAME": config["FunctionName"],
        "AWS_LAMBDA_FUNCTION_VERSION": config.get("Version", "$LATEST"),
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(config.get("MemorySize", 128)),
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": _log_group(config),
        **lambda_runtime.execution_credentials(config),
    }


def _log_group(config: dict[str, Any]) -> str:
    chosen: str | None = (config.get("LoggingConfig") or {}).get("LogGroup")
    return chosen or f"/aws/lambda/{config['FunctionName']}"


def _write_log(config: dict[str, Any], stream: str, request_id: str, outcome: CallOutcome, duration: float) -> None:
    milliseconds = f"{duration * 1000:.2f} ms"
    lines = [
        f"START RequestId: {request_id} Version: {config.get('Version', '$LATEST')}",
        *outcome.log.splitlines(),
        f"END RequestId: {request_id}",
        f"REPORT RequestId: {request_id}\tDuration: {milliseconds}\tMemory Size: {config.get('MemorySize', 128)} MB",
    ]
    _append(_log_group(config), stream, lines)


def _write_lines(function: Function, stream: str, lines: list[str]) -> None:
    _append(dict(function.environment)["AWS_LAMBDA_LOG_GROUP_NAME"], stream, lines)


def _append(group_name: str, stream_name: str, lines: list[str]) -> None:
    now = int(time.time() * 1000)
    group = cloudwatch_logs._log_groups.get(group_name)
    if group is None:
        group = cloudwatch_logs._log_groups[group_name] = {
            "arn": cloudwatch_logs._make_group_arn(group_name),
            "creationTime": now,
            "retentionInDays": None,
            "tags": {},
            "subscriptionFilters": {},
            "streams": {},
        }
    stream = group["streams"].setdefault(
        stream_name,
        {
            "events": [],
            "uploadSequenceToken": "1",
            "creationTime": now,
            "firstEventTimestamp": None,
            "lastEventTimestamp": None,
            "lastIngestionTime": None,
        },
    )
    events = [{"timestamp": now, "message": line, "ingestionTime": now, "eventId": uuid.uuid4().hex} for line in lines]
    cloudwatch_logs._append_log_events(stream, events)
