"""The SDK's session, without work at start-up that no function needs.

The clients are the same as those of boto3. But the four hundred services that the SDK knows are not listed to find one,
and the codec reads the services' models.
"""

import gzip
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from botocore.credentials import Credentials, DeferredRefreshableCredentials, create_assume_role_refresher
from botocore.loaders import JSONFileLoader, Loader
from botocore.session import Session

from loudhailer import codec
from loudhailer.aws.errors import calling

SERVICES = ["dynamodb", "sns", "sqs", "sts"]
"""Services that functions call through the SDK."""


_MOST_CONFLICTS = 5
_CONFLICT_SECONDS = 0.04
"""The longest pause after the first conflict; it doubles with each further one. A transaction takes milliseconds."""


class SdkSession(Session):
    """Makes clients of `SERVICES`, which repeat a write that conflicted with a transaction.

    Attributes: others: credentials of the next client, instead of the ones that the SDK's chain of providers finds.
    """

    def __init__(self, others: Credentials | None = None) -> None:
        super().__init__()
        self.register_component("data_loader", _Models(file_loader=_Files()))
        self.register("needs-retry.dynamodb", pause_after_conflict)  # type: ignore[arg-type]  # the stubs want no result
        self.others = others

    def get_credentials(self) -> Credentials | None:
        """Return the credentials of the next client."""
        return self.others or super().get_credentials()


def pause_after_conflict(response: Any, attempts: int, **_: Any) -> float | None:
    """Return the seconds until a single write is repeated; None if it did not conflict with a transaction.

    DynamoDB refuses the write, without an effect, while a transaction changes the same item, and the SDK does not
    repeat it. Because it had no effect, it may be repeated even by clients that make only one attempt:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-conflict-handling
    """
    if response is None or attempts > _MOST_CONFLICTS:
        return None
    if response[1].get("Error", {}).get("Code") != "TransactionConflictException":
        return None
    return random.uniform(0, _CONFLICT_SECONDS * 2 ** (attempts - 1))  # noqa: S311  # no secret


class _Models(Loader):
    """The SDK's models of `SERVICES`."""

    def list_available_services(self, type_name: str) -> list[str]:
        """Return `SERVICES` as the only available services."""
        del type_name
        return SERVICES


class _Files(JSONFileLoader):
    """The SDK's files, read several times faster."""

    def load_file(self, file_path: str) -> Any:
        """Return the content of the file, compressed or not; None if there is no such file."""
        plain, packed = Path(f"{file_path}.json"), Path(f"{file_path}.json.gz")
        if packed.is_file():
            return codec.decode(gzip.decompress(packed.read_bytes()))
        return codec.decode(plain.read_bytes()) if plain.is_file() else None


def assumed_role(sts: Any, request: Mapping[str, Any]) -> DeferredRefreshableCredentials:
    """Credentials of a role, requested at their first use and again before they expire.

    A call fails with a TransientError if the credentials cannot be obtained.
    """
    assume = create_assume_role_refresher(sts, request)

    def refresh() -> Any:
        with calling("AssumeRole"):
            return assume()

    # The SDK's own clock reads the local time zone's rules several times per call.
    return DeferredRefreshableCredentials(refresh, "sts-assume-role", partial(datetime.now, UTC))
