"""`python -m tools.emulator.aws`: see `tools.emulator.aws.options` for the arguments."""

import os
import sys

from tools.emulator.aws.options import parse
from tools.emulator.aws.server import StartRefusedError, run

if __name__ == "__main__":
    try:
        run(parse(sys.argv[1:], os.environ))
    except StartRefusedError as error:
        sys.exit(f"The local AWS does not start: {error}")
