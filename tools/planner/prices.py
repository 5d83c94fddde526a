"""Prices of AWS: list prices of us-east-1 in US dollars, and the quotas that a plan keeps to.

Collected on 2026-11-21, the HTTP API and some tiers on 2026-11-22, logs and traces on 2026-11-30. The sources are the
pages named here, or dated copies. Free are the units that every account has for good; those of its first year are not
counted. The accounts are taken for an organization's, which has one bill: free units count once, tiers together.
https://docs.aws.amazon.com/awsaccountbilling/latest/aboutv2/consolidated-billing.html
"""

from dataclasses import dataclass
from decimal import Decimal

_GATEWAY = "https://aws.amazon.com/api-gateway/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
"""Tiers: https://aws.amazon.com/blogs/compute/introducing-tiered-pricing-for-aws-lambda/"""
_SQS = "https://aws.amazon.com/sqs/pricing/"
_DYNAMODB = "https://aws.amazon.com/dynamodb/pricing/on-demand/"
_CLOUDWATCH = "https://aws.amazon.com/cloudwatch/pricing/"
"""Tiers of Lambda's logs:
https://aws.amazon.com/blogs/compute/aws-lambda-introduces-tiered-pricing-for-amazon-cloudwatch-logs-and-additional-logging-destinations/"""
_XRAY = "https://aws.amazon.com/xray/pricing/"
_TRANSFER = "https://aws.amazon.com/ec2/pricing/on-demand/#Data_Transfer"

_MILLION = Decimal(10**6)
_BILLION = Decimal(10**9)

MINUTES_A_MONTH = 30 * 24 * 60
"""Thirty days, as AWS's own examples have it."""

LAMBDA_CONCURRENCY = 1_000
CONNECTS_PER_SECOND = 500
"""Defaults of an account, both adjustable.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one kind of unit.

    Attributes:
        source: the page that it is from.
        tiers: how many units a tier has, and the price of one of them; the last tier has no end.
        free: units a month that cost nothing.
    """

    source: str
    tiers: tuple[tuple[Decimal, Decimal], ...]
    free: Decimal = Decimal(0)

    def of(self, units: Decimal) -> Decimal:
        """Return the price of a month's units, unrounded."""
        remaining = max(units - self.free, Decimal(0))
        cost = Decimal(0)
        for size, price in self.tiers:
            taken = min(remaining, size)
            cost += taken * price
            remaining -= taken
        return cost


def _price(source: str, *tiers: tuple[Decimal | int | str, str], free: int = 0, per: Decimal = Decimal(1)) -> Price:
    return Price(source, tuple((Decimal(size), Decimal(price) / per) for size, price in tiers), Decimal(free))


_REST = "Infinity"

GATEWAY_MESSAGES = _price(_GATEWAY, (_BILLION, "1.00"), (_REST, "0.80"), per=_MILLION)
"""Sent or received; one for each 32 KB begun."""
GATEWAY_MESSAGE_BYTES = 32 * 1024
CONNECTION_MINUTES = _price(_GATEWAY, (_REST, "0.25"), per=_MILLION)
HTTP_REQUESTS = _price(_GATEWAY, (300 * _MILLION, "1.00"), (_REST, "0.90"), per=_MILLION)

LAMBDA_REQUESTS = _price(_LAMBDA, (_REST, "0.20"), free=1_000_000, per=_MILLION)
LAMBDA_X86 = _price(
    _LAMBDA,
    (6 * _BILLION, "0.0000166667"),
    (9 * _BILLION, "0.000015"),
    (_REST, "0.0000133334"),
    free=400_000,
)
"""A GB-second, as are those of arm64."""
LAMBDA_ARM64 = _price(
    _LAMBDA,
    ("7.5e9", "0.0000133334"),
    ("11.25e9", "0.0000120001"),
    (_REST, "0.0000106667"),
    free=400_000,
)

LAMBDA_WARM = _price(_LAMBDA, (_REST, "0.0000033334"))
"""A GB-second of provisioned concurrency on arm64; its invocations are charged as well."""

DYNAMODB_WRITES = _price(_DYNAMODB, (_REST, "0.625"), per=_MILLION)
"""Units of 1 KB; in a transaction two of them."""
DYNAMODB_READS = _price(_DYNAMODB, (_REST, "0.125"), per=_MILLION)
"""Units of 4 KB, consistent; half of one if not."""
DYNAMODB_STORAGE = _price(_DYNAMODB, (_REST, "0.25"))
"""A GB for a month; the free 25 GB are for provisioned capacity."""
DYNAMODB_WRITE_BYTES = 1024
DYNAMODB_READ_BYTES = 4 * 1024
DYNAMODB_ROW_BYTES = 100
"""Bytes that storage counts on top of every row.
https://aws.amazon.com/dynamodb/pricing/on-demand/"""
DYNAMODB_STREAM_READS = _price(_DYNAMODB, (_REST, "0"))
"""Calls of Lambda's triggers, which are not charged."""

SQS_REQUESTS = _price(
    _SQS, (100 * _BILLION, "0.40"), (100 * _BILLION, "0.30"), (_REST, "0.24"), free=1_000_000, per=_MILLION
)
"""Requests to standard queues; one for each 64 KB begun."""
SQS_FAIR_QUEUES = _price(_SQS, (_REST, "0.10"), per=_MILLION)
"""More for a request whose message has a group. AWS does not document which requests count: here all three of a message
do."""
SQS_REQUEST_BYTES = 64 * 1024

LOGS = _price(_CLOUDWATCH, (_REST, "0.50"), free=5)
"""A GB that is taken in, as the access logs of an API are."""
LAMBDA_LOGS = _price(_CLOUDWATCH, (10_000, "0.50"), (20_000, "0.25"), (20_000, "0.10"), (_REST, "0.05"))
"""A GB of the logs of Lambda and functions; the free 5 GB are counted with the other logs."""
LOG_LINE_BYTES = 26
"""Bytes that CloudWatch counts on top of every line.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html"""

XRAY_TRACES = _price(_XRAY, (_REST, "5.00"), free=100_000, per=_MILLION)
"""Recorded."""
TRACED_SHARE, TRACED_A_SECOND = Decimal("0.05"), 1
"""Share that the default rule records: the first request of a second, and a twentieth of the others.
https://docs.aws.amazon.com/xray/latest/devguide/xray-console-sampling.html"""

EGRESS = _price(_TRANSFER, (_REST, "0.09"), free=100)
"""A GB to the internet. It gets cheaper beyond 10 TB; that is not counted."""
GB = 2**30
