"""STS answers 600 requests a second of one account, and refuses more.

AWS: the quota belongs to the caller's account, for all operations together, and cannot be raised:
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
A refused request gets the code Throttling, with the status 400:
https://repost.aws/knowledge-center/iam-sts-throttling-error

MiniStack answers any number. `session_tags` patches `handle_request` of STS, and lets this count the requests.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import time
from collections.abc import Awaitable, Callable
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import iam

from tools.emulator.aws.options import Options
from tools.emulator.aws.token_buckets import TokenBuckets

type RequestHandler = Callable[..., Awaitable[Any]]

_REQUESTS_A_SECOND = 600


def within_rate(
    handle: RequestHandler, options: Options, clock: Callable[[], float] = time.monotonic
) -> RequestHandler:
    """Refuse requests beyond the rate, unless throttling is switched off."""
    if not options.throttling:
        return handle
    rate = TokenBuckets[str](_REQUESTS_A_SECOND, clock)

    async def handle_request(*request: Any) -> Any:
        account = get_account_id()
        if rate.is_empty(account):
            return iam._error(400, "Throttling", "Rate exceeded", ns="sts")
        rate.take(account)
        return await handle(*request)

    return handle_request
