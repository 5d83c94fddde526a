"""Posts with boto3 from threads that share a client."""

import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

import boto3
from botocore.config import Config

from tests.bench.meter import Meter, job

_THREADS = 32


def main() -> None:
    """Warm up, then count."""
    given = job()
    client = boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=given["endpoint"],
        region_name=given["region"],
        aws_access_key_id=given["access_key"],
        aws_secret_access_key=given["secret_key"],
        aws_session_token=given["token"],
        verify=given["ca_file"],
        config=Config(max_pool_connections=_THREADS),
    )
    payload = given["payload"].encode()
    connections = cycle(given["connections"])

    def post_until(ends: float) -> int:
        posted = 0
        while time.monotonic() < ends:
            client.post_to_connection(ConnectionId=next(connections), Data=payload)
            posted += 1
        return posted

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(post_until, [time.monotonic() + given["warm_up_seconds"]] * _THREADS))
        with Meter() as meter:
            meter.count = sum(pool.map(post_until, [time.monotonic() + given["seconds"]] * _THREADS))


if __name__ == "__main__":
    main()
