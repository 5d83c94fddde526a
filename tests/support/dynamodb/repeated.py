"""A client that carries each write out twice, as the SDK does when the first answer is lost."""

from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

_WRITES = {"put_item", "update_item", "delete_item", "batch_write_item", "batch_execute_statement"}


class RepeatedWrites:
    """A DynamoDB client whose writes are repeated; the caller gets the second answer.

    A transaction is not: all attempts of a call have one token, by which DynamoDB knows that it has carried it out.
    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        """The client's method."""
        call = getattr(self._client, name)
        if name not in _WRITES:
            return call

        def repeated(**request: Any) -> Any:
            with suppress(ClientError):
                call(**request)
            return call(**request)

        return repeated
