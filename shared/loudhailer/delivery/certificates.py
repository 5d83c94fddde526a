"""The certificate authorities that TLS trusts: those of the SDK, which are in the package.

Otherwise libcurl would look for a file at the path of the machine that built it, which Lambda's base image need not
have. AWS_CA_BUNDLE names another file, for libcurl as for the SDK:
https://boto3.amazonaws.com/v1/documentation/api/latest/guide/configuration.html
"""

import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path


def trusted_file(environment: Mapping[str, str]) -> str:
    """Return the file of trusted certificates."""
    return environment.get("AWS_CA_BUNDLE") or _file_of_the_sdk()


def _file_of_the_sdk() -> str:
    """Locate the SDK without importing it: a sender needs nothing else of it."""
    spec = find_spec("botocore")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("botocore, whose certificates are trusted")
    return str(Path(spec.origin).with_name("cacert.pem"))


TRUSTED = trusted_file(os.environ)
