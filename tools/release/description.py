"""A deployment on AWS, found by its environment: the stack `hub` describes it in a parameter of SSM (decision 0060)."""

import json
from typing import Any

from tools.errors import OperatorError
from tools.release.environment import Environment
from tools.stack.access import AccountAccess
from tools.stack.deployment import Deployment

_SHORTENED = ("tables", "functions", "queue_urls")
"""The maps of names in which what all have in common is written once, as `common`."""


def deployment_of(environment: Environment, access: AccountAccess) -> Deployment:
    """Return the deployment of an environment.

    Raises:
        OperatorError: the credentials are of another account; or there is no description, or one of another release;
            or the hub has further cells, which no command on AWS reaches yet.
    """
    access.require(environment.account_id)
    outputs = _expanded(_parameter(environment, access))
    if cells := outputs["cells"]:
        raise OperatorError(
            f"The hub of {environment.name} has further cells ({', '.join(cells)}): "
            "no command reaches their accounts yet.",
            "Call the HTTP API instead, or work in each account with AWS's own tools.",
        )
    return Deployment(access, outputs, environment.account_id)


def _parameter(environment: Environment, access: AccountAccess) -> str:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a quarter of a second, as in `AccountAccess`

    name = f"/{environment.prefix}/deployment"
    try:
        answer = access.client("ssm").get_parameter(Name=name)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ParameterNotFound":
            raise
        raise OperatorError(
            f"There is no deployment of {environment.name} in account {environment.account_id}, {environment.region}: "
            f"the parameter {name} is missing.",
            "Apply the stack hub with this release, by `make plan apply`; or name its Region with --region.",
        ) from error
    return str(answer["Parameter"]["Value"])


def _expanded(text: str) -> dict[str, Any]:
    """The outputs, with whole names."""
    try:
        outputs: dict[str, Any] = json.loads(text)
        whole: dict[str, Any] = {"cells": dict(outputs["cells"])} | {
            kind: {name: outputs[kind]["common"] + rest for name, rest in outputs[kind]["rest"].items()}
            for kind in _SHORTENED
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OperatorError(
            "The description of the deployment is not what this release writes.",
            "Apply the stack hub with this release.",
        ) from error
    return outputs | whole
