"""Access to an AWS account: the credentials of a command, and the AWS that they are for.

boto3 is imported with the first credentials: it takes a quarter of a second, and `loudhailer down` needs none.
"""

import time
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

from tools.errors import OperatorError
from tools.stack.local_aws import REGION, local_endpoint

if TYPE_CHECKING:
    import boto3
    from botocore.config import Config

_LOG_CALLS_PER_SECOND = 4.0
"""An account may call FilterLogEvents five times a second in a Region, and the quota cannot be raised.

https://repost.aws/knowledge-center/cloudwatch-logs-throttling
"""

_making = Lock()
"""A session is used by one thread at a time."""


class CallRate:
    """Lets calls begin at a rate, and others wait for their turn."""

    def __init__(self, calls_per_second: float) -> None:
        self._interval = 1 / calls_per_second
        self._next = 0.0

    def __call__(self, **_: object) -> None:
        """Wait for the turn of a call."""
        now = time.monotonic()
        if self._next > now:
            time.sleep(self._next - now)
        self._next = max(now, self._next) + self._interval


@dataclass(frozen=True)
class AccountAccess:
    """The credentials of a caller, and where their AWS is.

    Attributes:
        session: the caller's credentials, and the Region.
        endpoint: the URL of a local AWS; None leaves it to the SDK, which takes AWS's own or `AWS_ENDPOINT_URL`.
    """

    session: "boto3.Session"
    endpoint: str | None = None

    @staticmethod
    def root(account_id: str, port: int, secret: str) -> "AccountAccess":
        """The root of an account of a local AWS; `secret` is the secret access key of every account's root."""
        return AccountAccess(_root_session(account_id, secret), local_endpoint(port))

    @staticmethod
    def of_the_caller(region: str, profile: str | None = None) -> "AccountAccess":
        """AWS in a Region, with the credentials that AWS's own tools would find; OperatorError for no such profile."""
        import boto3  # noqa: PLC0415
        from botocore.exceptions import ProfileNotFound  # noqa: PLC0415

        try:
            session = _careful(boto3.Session(profile_name=profile, region_name=region))
        except ProfileNotFound as error:
            raise OperatorError(
                f"There is no AWS profile {error.kwargs['profile']}.",
                "See those there are: `aws configure list-profiles`.",
            ) from error
        # The SDK's retries count too, so each request waits for its turn, and not each call.
        rate: Any = CallRate(_LOG_CALLS_PER_SECOND)
        session.events.register("before-send.cloudwatch-logs.FilterLogEvents", rate)
        return AccountAccess(session)

    def client(
        self,
        service: str,
        endpoint: str | None = None,
        *,
        region: str | None = None,
        config: "Config | None" = None,
    ) -> Any:
        """A client of one of AWS's services; in the session's Region, by default."""
        with _making:
            return self.session.client(  # type: ignore[call-overload] # the caller knows its type
                service, region_name=region, endpoint_url=endpoint or self.endpoint, config=config
            )

    def require(self, account_id: str) -> None:
        """OperatorError unless the credentials are of the account, before anything is read or changed in another."""
        actual = str(self.client("sts").get_caller_identity()["Account"])
        if actual != account_id:
            raise OperatorError(
                f"These credentials are of account {actual}, and this is about {account_id}.",
                "Sign in to that account.",
            )

    def sign(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """The headers of a request to API Gateway, signed with Signature Version 4.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
        """
        from botocore.auth import SigV4Auth  # noqa: PLC0415
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415
        from botocore.exceptions import NoCredentialsError  # noqa: PLC0415

        credentials = self.session.get_credentials()
        if credentials is None:
            raise NoCredentialsError
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = AWSRequest(method, url, headers=headers, data=body)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self.session.region_name).add_auth(request)
        return dict(request.headers.items())


@cache
def _root_session(account_id: str, secret: str) -> "boto3.Session":
    """The root of an account; a session parses the SDK's model of a service once."""
    import boto3  # noqa: PLC0415

    return _careful(boto3.Session(aws_access_key_id=account_id, aws_secret_access_key=secret, region_name=REGION))


def _careful(session: "boto3.Session") -> "boto3.Session":
    from loudhailer.aws.sdk import pause_after_conflict  # noqa: PLC0415

    session.events.register("needs-retry.dynamodb", pause_after_conflict)  # type: ignore[arg-type]  # the stubs want no result
    return session
