"""The role of the cell that a subscriber's worker assumes.

A role that is assumed by a role lasts for an hour at most, so the credentials are asked for again and again:
https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_terms-and-concepts.html#iam-term-role-chaining
"""

from typing import Any

import boto3

from loudhailer.aws.clients import client, config
from loudhailer.aws.sdk import SdkSession, assumed_role
from loudhailer.delivery.sigv4 import Credentials


class CellRole:
    """Credentials of the role, and clients that sign with them.

    They are asked for at the first use and again before they expire; TransientError if they are refused.
    """

    def __init__(self, role_arn: str, external_id: str | None) -> None:
        request = {"RoleArn": role_arn, "RoleSessionName": "post_message"}
        if external_id is not None:
            request["ExternalId"] = external_id
        self._held = assumed_role(client("sts"), request)
        self._session = boto3.Session(botocore_session=SdkSession(self._held))

    def credentials(self) -> Credentials:
        """The credentials that are valid now."""
        frozen: Any = self._held.get_frozen_credentials()  # the stubs allow None
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    def client(self, service: str, *, attempts: int = 5, seconds: float | None = None) -> Any:
        """A client of an AWS service, as `loudhailer.aws.clients.client` makes them, in the role."""
        return self._session.client(service, config=config(attempts, seconds))  # type: ignore[call-overload]  # the caller knows its type
