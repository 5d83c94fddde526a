"""The credentials that posts are signed with: the worker's own, or, in a subscriber, those of the cell's role."""

from collections.abc import Callable
from typing import Any

import boto3
from botocore.credentials import DeferredRefreshableCredentials

from functions.post_message.settings import Settings
from loudhailer.aws import client
from loudhailer.delivery.sigv4 import Credentials


def credentials(settings: Settings) -> Callable[[], Credentials]:
    """Present credentials at each call; those of a role are renewed before they expire."""
    if settings.assume_role_arn is None:
        held: Any = boto3.Session().get_credentials()
    else:
        held = DeferredRefreshableCredentials(_assume(settings), "sts-assume-role")

    def present() -> Credentials:
        frozen = held.get_frozen_credentials()
        return Credentials(frozen.access_key, frozen.secret_key, frozen.token)

    return present


def _assume(settings: Settings) -> Callable[[], dict[str, str]]:
    def assume() -> dict[str, str]:
        answer = client("sts").assume_role(
            RoleArn=settings.assume_role_arn, ExternalId=settings.external_id, RoleSessionName="post_message"
        )["Credentials"]
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["SessionToken"],
            "expiry_time": answer["Expiration"].isoformat(),
        }

    return assume
