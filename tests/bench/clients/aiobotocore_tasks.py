# /// script
# requires-python = "==3.13.*"
# dependencies = ["aiobotocore==3.10.0"]
# ///
"""Posts with aiobotocore from tasks that share a client.

In an environment of its own, which `uv run --script` makes: aiobotocore needs another botocore than the project has.
"""

import asyncio
import sys
import time
from itertools import cycle
from pathlib import Path

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

sys.path.append(str(Path(__file__).parents[3]))  # the project's root: this is no part of an installed package

from tests.bench.meter import Meter, job


async def main() -> None:
    """Warm up, then count."""
    given = job()
    tasks = given["in_flight"]
    payload = given["payload"].encode()
    connections = cycle(given["connections"])
    async with get_session().create_client(
        "apigatewaymanagementapi",
        endpoint_url=given["endpoint"],
        region_name=given["region"],
        aws_access_key_id=given["access_key"],
        aws_secret_access_key=given["secret_key"],
        aws_session_token=given["token"],
        verify=given["ca_file"],
        config=AioConfig(max_pool_connections=tasks),
    ) as client:

        async def post_until(ends: float, meter: Meter) -> None:
            while time.monotonic() < ends:
                await client.post_to_connection(ConnectionId=next(connections), Data=payload)
                meter.count += 1

        async def post_for(seconds: float, meter: Meter) -> None:
            ends = time.monotonic() + seconds
            await asyncio.gather(*(post_until(ends, meter) for _ in range(tasks)))

        await post_for(given["warm_up_seconds"], Meter())
        with Meter() as meter:
            await post_for(given["seconds"], meter)


if __name__ == "__main__":
    asyncio.run(main())
