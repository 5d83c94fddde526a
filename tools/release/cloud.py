"""The AWS that a command works in: an account that CI or the operator has signed in to, or a local stack."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tools.errors import OperatorError
from tools.stack.local_aws import ACCOUNT, REGION, local_endpoint, local_environment

if TYPE_CHECKING:
    import boto3

    from tools.stack.lifecycle import Stack
    from tools.stack.state import StackState

LOCAL = "local"


@dataclass(frozen=True)
class Cloud:
    """Credentials, and where their AWS is.

    Attributes:
        session: the caller's credentials.
        environment: the variables that Terraform is started with.
        endpoint: the URL of a local AWS; None in AWS.
        backend: the file in which Terraform keeps the state, if that is not in the account's bucket.
        variables: what Terraform's variables must be, besides the environment's.
    """

    session: "boto3.Session"
    environment: Mapping[str, str]
    endpoint: str | None = None
    backend: Mapping[str, str] | None = None
    variables: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def signed_in(cls, region: str) -> "Cloud":
        """AWS in a Region, with the credentials that AWS's own tools would find."""
        import boto3  # noqa: PLC0415 - a quarter of a second, as in `Deployment`

        return cls(boto3.Session(region_name=region), os.environ)

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
        import boto3  # noqa: PLC0415 - as above

        return cls(
            session=boto3.Session(aws_access_key_id=account_id, aws_secret_access_key=state.secret, region_name=REGION),
            environment=local_environment(os.environ, state.aws_port, state.secret, account_id),
            endpoint=local_endpoint(state.aws_port),
            backend={"path": str(terraform_state)},
        )

    def client(self, service: str, region: str | None = None) -> Any:
        """A client of one of AWS's services."""
        return self.session.client(service, region_name=region, endpoint_url=self.endpoint)  # type: ignore[call-overload]

    def account_id(self) -> str:
        """The account that is signed in to."""
        return str(self.client("sts").get_caller_identity()["Account"])

    def require(self, account_id: str) -> None:
        """OperatorError unless this is the account, before anything is read or changed in another."""
        actual = self.account_id()
        if actual != account_id:
            raise OperatorError(
                f"These credentials are of account {actual}, and this is about {account_id}.",
                "Sign in to that account.",
            )

    def sign(self, method: str, url: str, body: bytes | None) -> dict[str, str]:
        """The headers of a request to API Gateway, signed with Signature Version 4.

        https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-access-control-iam.html
        """
        from botocore.auth import SigV4Auth  # noqa: PLC0415 - as above
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415

        credentials = self.session.get_credentials()
        if credentials is None:
            raise OperatorError("There are no credentials of AWS.", "Sign in to the hub's account.")
        headers = {} if body is None else {"Content-Type": "application/json"}
        request = AWSRequest(method, url, headers=headers, data=body)
        SigV4Auth(credentials.get_frozen_credentials(), "execute-api", self.session.region_name).add_auth(request)
        return dict(request.headers.items())


def _state(stack: "Stack") -> "StackState":
    state = stack.state()
    if state is None:
        raise OperatorError("No stack runs here.", "Start one with `loudhailer up`.")
    return state
