"""A client whose caller is overtaken: another writer comes between what was read and what is written."""

from collections.abc import Callable
from typing import Any


class OvertakenWrites:
    """A DynamoDB client that lets another writer act right before one of the updates."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._updates = 0
        self._act: Callable[[], object] = lambda: None

    def __getattr__(self, name: str) -> Any:
        """The client's method."""
        return getattr(self._client, name)

    def overtake(self, act: Callable[[], object], *, at: int = 1) -> None:
        """Let the other writer act before the update of this number, counted from now; it may use the same client."""
        self._act, self._updates = act, at

    def update_item(self, **request: Any) -> Any:
        """Carry out the update; before it the other writer acts, if its turn has come."""
        self._updates -= 1
        if self._updates == 0:
            self._act()
        return self._client.update_item(**request)
