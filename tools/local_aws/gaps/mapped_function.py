"""Invokes the function of an event source mapping, for the gaps that deliver batches."""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from collections.abc import Sequence
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.services import lambda_svc


def exists(esm: dict[str, Any]) -> bool:
    """Whether the mapping's function, with its alias or version, is there."""
    record, _ = lambda_svc._get_func_record_for_qualifier(esm["FunctionName"], esm.get("Qualifier"))
    return record is not None


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
