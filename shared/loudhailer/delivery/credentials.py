"""The credentials of the function itself."""

import os

from loudhailer.delivery.sigv4 import Credentials


def own_credentials() -> Credentials:
    """Return the credentials in Lambda's environment variables, which the SDK would use as well.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
    """
    return Credentials(
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], os.environ.get("AWS_SESSION_TOKEN")
    )
