"""A wire that ends in this process: what STS answers there, and how an answer is made."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders

FUNCTION = {
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_ACCESS_KEY_ID": "ASIA-FUNCTION",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "token",
}
"""The environment of a function that has credentials and a Region."""

_CREDENTIALS = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIA-{name}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>
<SessionToken>token-{name}</SessionToken><Expiration>{expiration}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>"""
_REFUSAL = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type>
<Code>AccessDenied</Code><Message>not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"""


class _Body:
    """Body that urllib3 would have received."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self) -> Iterator[bytes]:
        """All of it."""
        yield self._content


def text(value: Any) -> str:
    """A header or a body as text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def response(request: AWSPreparedRequest, status: int, body: str) -> AWSResponse:
    """An answer to the request."""
    return AWSResponse(str(request.url), status, HTTPHeaders(), _Body(body.encode()))


def assumed(request: AWSPreparedRequest, name: str, lifetime: timedelta) -> AWSResponse:
    """STS lets a role be assumed: the session's access key is `ASIA-<name>`."""
    expiration = (datetime.now(UTC) + lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
    return response(request, 200, _CREDENTIALS.format(name=name, expiration=expiration))


def refused(request: AWSPreparedRequest) -> AWSResponse:
    """STS does not."""
    return response(request, 403, _REFUSAL)
