"""Invokes the function of an event source mapping, for the gaps that deliver batches."""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from collections.abc import Sequence
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.services import lambda_svc


def version(esm: dict[str, Any]) -> str | None:
    """The version that the mapping's alias or version leads to; None when it, or the function, is not there."""
    _, config = lambda_svc._get_func_record_for_qualifier(esm["FunctionName"], esm.get("Qualifier"))
    return None if config is None else config.get("Version", "$LATEST")


async def invoke(esm: dict[str, Any], records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Invoke it, in a thread of its own, under the name that the mapping knows it by."""
    record, config = lambda_svc._get_func_record_for_qualifier(esm["FunctionName"], esm.get("Qualifier"))
    if record is None:
        return {"throttle": True, "error": True}
    invoked = {**record, "config": {**config, "FunctionArn": esm["FunctionArn"]}}
    event = {"Records": list(records)}
    result: dict[str, Any] = await run_reentrant(
        lambda_svc._execute_function, invoked, event, thread_name="event-source-mapping"
    )
    esm["LastProcessingResult"] = "PROBLEM: Function call failed" if result.get("error") else "OK"
    return result
