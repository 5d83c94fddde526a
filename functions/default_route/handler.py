"""Wiring of `default_route`: the route `$default`."""

from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from functions.default_route.default_route import answer
from loudhailer.observability import logger, metrics


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes it
    """Answers with an error frame: the route response sends it to the client."""
    return answer(event)
