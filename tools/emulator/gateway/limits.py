"""The quotas of a WebSocket API and the token bucket that keeps the ones given as rates.

Values are AWS's defaults per account and Region:
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
and https://docs.aws.amazon.com/general/latest/gr/apigateway.html (account throttle).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum

type Clock = Callable[[], float]


class CloseCode(IntEnum):
    """The WebSocket close codes that API Gateway uses, and RFC 6455's for a broken frame."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    NO_STATUS = 1005
    ABNORMAL = 1006
    INVALID_PAYLOAD = 1007
    MESSAGE_TOO_BIG = 1009


def _limit[T](default: T, text: str) -> T:
    value: T = field(default=default, metadata={"help": text})
    return value


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the gateway. Every field is a flag of the command line; `inf` switches a rate off."""

    rate: float = _limit(10_000.0, "posts and inbound frames per second and account")
    burst: int = _limit(5_000, "bucket of that rate")
    connect_rate: float = _limit(500.0, "new connections per second and account")
    connect_burst: int = _limit(500, "bucket of that rate")
    message_bytes: int = _limit(128 * 1024, "largest message, both ways")
    frame_bytes: int = _limit(32 * 1024, "largest frame from a client")
    idle_seconds: float = _limit(600.0, "a connection without a message for so long is closed")
    connection_seconds: float = _limit(7_200.0, "the longest life of a connection")
    integration_seconds: float = _limit(29.0, "the longest an integration or authorizer may take")
    client_buffer_bytes: int = _limit(512 * 1024, "what may wait for a client that does not read (AWS does not say)")
    frames_in_flight: int = _limit(32, "frames of one connection handled at once; more are left in its socket")
    invocations: int = _limit(256, "calls of functions, and of services, at once; more wait here")


class TokenBucket:
    """`rate` tokens a second, `burst` at most; starts full. Constant time, whatever the rate.

    AWS describes its throttling so:
    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html
    """

    __slots__ = ("_burst", "_clock", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate, self._burst = (0.0, math.inf) if math.isinf(rate) else (rate, float(burst))
        self._tokens = self._burst
        self._clock = clock
        self._updated = clock()

    def take(self) -> bool:
        """Take one token if there is one."""
        now = self._clock()
        tokens = min(self._burst, self._tokens + (now - self._updated) * self._rate)
        self._updated = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True


class AccountBuckets:
    """One bucket for each account, made when the account is first seen."""

    def __init__(self, rate: float, burst: float, clock: Clock) -> None:
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: dict[str, TokenBucket] = {}

    def take(self, account: str) -> bool:
        """Take one token of the account's bucket if there is one."""
        bucket = self._buckets.get(account)
        if bucket is None:
            bucket = self._buckets[account] = TokenBucket(self._rate, self._burst, self._clock)
        return bucket.take()
