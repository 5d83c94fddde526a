"""Choose the credentials: the function's own role, or the cell's for a subscriber."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from functions.broadcast.post_message.settings import Settings
from loudhailer.aws.clients import LateClient, client
from loudhailer.delivery.credentials import own_credentials
from loudhailer.delivery.lending.port import ONCE
from loudhailer.delivery.sigv4 import Credentials


@dataclass(frozen=True, slots=True)
class Identity:
    """Credentials that sign posts and messages.

    Attributes:
        credentials: the valid ones, asked for at each call.
        sqs: a client of SQS that signs with them.
        dynamodb: a client of DynamoDB that signs with them, for the lanes' marks. It tries once and briefly, because
            the marks are read again a moment later.
    """

    credentials: Callable[[], Credentials]
    sqs: Any
    dynamodb: Any


def identity(settings: Settings) -> Identity:
    """The worker's own identity, or that of the cell's role if the settings name one."""
    if settings.assume_role_arn is None:
        return Identity(own_credentials, LateClient("sqs"), LateClient("dynamodb", partial(client, **ONCE)))
    # Imported late: the cell's own worker starts without the SDK. A subscriber's needs STS before it can post at all.
    from loudhailer.aws.other_role import OtherRole  # noqa: PLC0415

    role = OtherRole(settings.assume_role_arn, settings.external_id, session_name="post_message")

    def credentials() -> Credentials:
        held = role.credentials()
        return Credentials(held.access_key, held.secret_key, held.token)

    return Identity(credentials, role.client("sqs"), LateClient("dynamodb", partial(role.client, **ONCE)))
