"""The credentials that posts are signed with: the worker's own, or, in a subscriber, those of the cell's role."""

import os
from collections.abc import Callable
from typing import Any

from functions.post_message.settings import Settings
from loudhailer.aws import client
from loudhailer.delivery.sigv4 import Credentials


def credentials(settings: Settings) -> Callable[[], Credentials]:
    """Present credentials at each call; those of a role are renewed before they expire."""
    return _own if settings.assume_role_arn is None else _of_role(settings)


def _own() -> Credentials:
    """What Lambda puts into the environment: the SDK, which is not needed for it, would take the same.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return Credentials(
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN")
    )


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
