"""One lane: posts chunk after chunk at its rate, as a worker of `post_message` does, for as long as the job says."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import batched, cycle
from typing import Any

from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.delivery.lending.policy import Lending
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sigv4 import Credentials
from tests.bench.meter import Meter, divert_prints, job
from tests.bench.stand_in import SECRET
from tests.support.aws import aws_client
from tests.support.lambda_environment import ACCOUNT, REGION

_CHUNK = 500
_PATIENCE_SECONDS = 10.0


def main() -> None:
    """Post."""
    given = job()
    divert_prints()
    credentials = Credentials(ACCOUNT, SECRET)
    sender = CurlSender(_lane(given), lambda: credentials, REGION)
    chunks = cycle(batched(given["connections"], _CHUNK, strict=False))
    payload = given["payload"].encode()
    with Meter() as meter:
        ends = time.monotonic() + given["seconds"]
        while time.monotonic() < ends:
            outcomes = sender.post(given["endpoint"], next(chunks), payload, seconds=_PATIENCE_SECONDS)
            meter.count += outcomes.count(Outcome.DELIVERED)


def _lane(given: dict[str, Any]) -> Lane:
    """The lane; with a table of marks it borrows what other kinds leave idle."""
    if given["table"] is None:
        return Lane(given["rate"], time.monotonic())
    store = DynamoLaneStore(aws_client("dynamodb", given["aws"]), given["table"])
    lending = Lending(
        given["kind"], given["shares"], store, ThreadPoolExecutor(1), clock=time.time, monotonic=time.monotonic
    )
    return Lane(given["rate"], time.monotonic(), lending.factor)


if __name__ == "__main__":
    main()
