"""The certificates that TLS is verified against: those of the SDK, which are in the package.

Without them libcurl would look where the machine that built it keeps its own, and nothing promises that Lambda's base
has a file there. AWS_CA_BUNDLE names others, for libcurl as for the SDK.
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


def trusted_file(environment: Mapping[str, str]) -> str:
    """The file of the certificates that are trusted."""
    return environment.get("AWS_CA_BUNDLE") or _file_of_the_sdk()


def _file_of_the_sdk() -> str:
    """The SDK is found, not imported: a sender needs nothing else of it."""
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("botocore, whose certificates are trusted")
    return str(Path(spec.origin).with_name("cacert.pem"))


TRUSTED = trusted_file(os.environ)
