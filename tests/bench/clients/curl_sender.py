"""Posts with Loudhailer's own sender, chunk by chunk as `post_message` does."""

import time
from itertools import batched, cycle

from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.outcome import Outcome
from loudhailer.delivery.sigv4 import Credentials
from tests.bench.meter import Meter, job

_CHUNK = 500
_PATIENCE_SECONDS = 10.0


def main() -> None:
    """Warm up, then count."""
    given = job()
    credentials = Credentials(given["access_key"], given["secret_key"], given["token"])
    lane = Lane(given["rate"], time.monotonic())
    sender = CurlSender(
        lane, lambda: credentials, given["region"], max_in_flight=given["in_flight"], ca_file=given["ca_file"]
    )
    payload = given["payload"].encode()
    chunks = cycle(batched(given["connections"], _CHUNK, strict=False))

    def post_for(seconds: float, meter: Meter) -> None:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            chunk = next(chunks)
            outcomes = sender.post(given["endpoint"], chunk, payload, seconds=_PATIENCE_SECONDS)
            if outcomes.count(Outcome.DELIVERED) != len(chunk):
                raise AssertionError(set(outcomes))
            meter.count += len(chunk)

    post_for(given["warm_up_seconds"], Meter())
    with Meter() as meter:
        post_for(given["seconds"], meter)


if __name__ == "__main__":
    main()
