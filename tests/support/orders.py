"""Orders to the gateway and to the local AWS, which take them from an account's root alone."""

from tests.support.lambda_environment import ACCOUNT
from tools.client.http import Sign
from tools.emulator.perimeter.signature import signed_headers


def signed_by_root(secret: str) -> Sign:
    """Return what signs an order, given its method, URL and body, with the stack's secret."""
    return lambda method, url, body: signed_headers(method, url, body or b"", ACCOUNT, secret)
