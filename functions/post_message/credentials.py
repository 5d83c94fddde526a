"""The credentials that posts are signed with: the worker's own, or, in a subscriber, those of the cell's role."""

from collections.abc import Callable
from typing import Any

from functions.post_message.settings import Settings
from loudhailer.aws import client
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.sigv4 import Credentials


def credentials(settings: Settings) -> Callable[[], Credentials]:
    """Present credentials at each call; those of a role are renewed before they expire."""
    return own_credentials if settings.assume_role_arn is None else _of_role(settings)


def _of_role(settings: Settings) -> Callable[[], Credentials]:
    from botocore.credentials import DeferredRefreshableCredentials  # noqa: PLC0415  # not on the hub's cold start

    def assume() -> dict[str, Any]:
        answer = client("sts").assume_role(
            RoleArn=settings.assume_role_arn, ExternalId=settings.external_id, RoleSessionName="post_message"
        )["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }

    held: Any = DeferredRefreshableCredentials(assume, "sts-assume-role")

    def present() -> Credentials:
        frozen = held.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return present
