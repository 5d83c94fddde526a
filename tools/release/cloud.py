"""The AWS that a release works in: an account that CI or the operator has signed in to, or a local stack."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import OperatorError
from tools.stack.access import AccountAccess
from tools.stack.local_aws import ACCOUNT, local_environment

if TYPE_CHECKING:
    from tools.stack.lifecycle import Stack
    from tools.stack.state import StackState

LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class Cloud(AccountAccess):
    """Access to an account, and what Terraform needs besides it.

    Attributes:
        environment: the variables that Terraform is started with.
        backend: the file in which Terraform keeps the state, if that is not in the account's bucket.
        variables: what Terraform's variables must be, besides the environment's.
    """

    environment: Mapping[str, str]
    backend: Mapping[str, str] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def signed_in(cls, region: str) -> "Cloud":
        """AWS in a Region, with the credentials that AWS's own tools would find."""
        return cls(AccountAccess.of_the_caller(region).session, environment=os.environ)

    @classmethod
    def local(cls, stack: "Stack") -> "Cloud":
        """The hub's account of a local stack that is up."""
        state = _state(stack)
        cloud = cls._local_account(ACCOUNT, state, stack.directory.hub.state)
        return replace(cloud, variables=stack.terraform_variables(state))

    @classmethod
    def local_subscriber(cls, stack: "Stack", account_id: str) -> "Cloud":
        """Another account of a local stack that is up; its Terraform state goes when that AWS goes."""
        terraform_state = stack.directory.aws_state / f"{account_id}.tfstate"
        return cls._local_account(account_id, _state(stack), terraform_state)

    @classmethod
    def _local_account(cls, account_id: str, state: "StackState", terraform_state: Path) -> "Cloud":
        root = AccountAccess.root(account_id, state.aws_port, state.secret)
        return cls(
            root.session,
            root.endpoint,
            environment=local_environment(os.environ, state.aws_port, state.secret, account_id),
            backend={"path": str(terraform_state)},
        )


def _state(stack: "Stack") -> "StackState":
    state = stack.state()
    if state is None:
        raise OperatorError("No stack runs here.", "Start one with `loudhailer up`.")
    return state
