"""Address of the local AWS: an account, one Region, one endpoint; never the operator's own credentials."""

from collections.abc import Mapping

ACCOUNT = "111111111111"
"""The hub's. An account's id as the access key makes the caller that account's root."""

REGION = "us-east-1"

_KEPT_VARIABLES = {"AWS_CA_BUNDLE"}
_LOOPBACK = "127.0.0.1,localhost"


def local_endpoint(port: int) -> str:
    """The URL of what listens on a port of this machine."""
    return f"http://127.0.0.1:{port}"


def local_environment(
    environment: Mapping[str, str], aws_port: int, secret: str, account: str = ACCOUNT
) -> dict[str, str]:
    """The environment of an account, with every AWS variable replaced, so that no call can leave this machine.

    `secret` is the stack's: the secret access key of every account's root.
    """
    kept = {
        name: value for name, value in environment.items() if not name.startswith("AWS_") or name in _KEPT_VARIABLES
    }
    past_proxies = ",".join(filter(None, (environment.get("NO_PROXY"), _LOOPBACK)))
    return {
        **kept,
        "AWS_ENDPOINT_URL": local_endpoint(aws_port),
        "AWS_ACCESS_KEY_ID": account,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": past_proxies,
        "no_proxy": past_proxies,
    }
