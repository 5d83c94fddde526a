"""Structured logs and EMF metrics, the same in every function.

Logs are JSON lines, with the ids of the broadcast and the connection if there are any. A client's session id is a
secret: it is never logged, and neither is the URL or the query string that contains it.
"""

import warnings
from threading import Lock

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

warnings.filterwarnings("ignore", message="No application metrics to publish")  # not every invocation counts something

logger = Logger(log_uncaught_exceptions=True)
metrics = Metrics()


_counting = Lock()
"""Metrics change a dictionary that each hundredth value empties, so threads must take turns."""


def count(name: str, value: float = 1) -> None:
    """Add to a metric that counts; names are in the past tense (`ConnectionRefused`). Threads may call it."""
    with _counting:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
