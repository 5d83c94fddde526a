"""Stacks of other accounts in a local stack: each is applied after the hub, with values of the hub's outputs."""

from dataclasses import dataclass

from tools.stack.cells import CELL_ACCOUNTS
from tools.stack.subscribers import SUBSCRIBER_ACCOUNTS

_ACCOUNTS = {"subscriber": SUBSCRIBER_ACCOUNTS, "cell": CELL_ACCOUNTS}

KINDS = tuple(_ACCOUNTS)
"""The stacks' folders in `terraform/stacks`; the hub's output of a kind has its name with an s."""


@dataclass(frozen=True)
class Dependent:
    """A stack of a kind, in the account of that name."""

    kind: str
    name: str

    @property
    def account(self) -> str:
        """The account that it is in."""
        return _ACCOUNTS[self.kind][self.name]

    def __str__(self) -> str:
        """Its name, as an operator reads it."""
        return f"{self.kind} {self.name}"
