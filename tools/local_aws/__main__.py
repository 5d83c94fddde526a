"""`python -m tools.local_aws`: see `tools.local_aws.options` for the arguments."""

import os
import sys

from tools.local_aws.options import parse
from tools.local_aws.server import StartRefusedError, run

if __name__ == "__main__":
    try:
        run(parse(sys.argv[1:], os.environ))
    except StartRefusedError as error:
        sys.exit(f"The local AWS does not start: {error}")
