"""A role of another account, which a function assumes with an external id.

Credentials of a role that another role assumes are valid for an hour at most, so they are requested repeatedly:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles.html#iam-term-role-chaining
"""

from typing import Any

import boto3

from loudhailer.aws.clients import client, config
from loudhailer.aws.sdk import SdkSession, assumed_role


class OtherRole:
    """Credentials of the role, and clients that sign with them.

    Credentials are requested at the first use and again before they expire; TransientError if they are refused.
    CloudTrail of the other account names the sessions by `session_name`.
    """

    def __init__(self, role_arn: str, external_id: str | None, *, session_name: str, region: str | None = None) -> None:
        request = {"RoleArn": role_arn, "RoleSessionName": session_name}
        if external_id is not None:
            request["ExternalId"] = external_id
        self._held = assumed_role(client("sts"), request)
        self._session = boto3.Session(botocore_session=SdkSession(self._held), region_name=region)

    def credentials(self) -> Any:
        """The credentials that are valid now, as an object of the SDK: `access_key`, `secret_key` and `token`."""
        return self._held.get_frozen_credentials()

    def client(self, service: str, *, attempts: int = 5, seconds: float | None = None) -> Any:
        """Return a client of an AWS service like `loudhailer.aws.clients.client`, for the role and its Region."""
        return self._session.client(service, config=config(attempts, seconds))  # type: ignore[call-overload]  # the caller knows its type
