"""`python -m tools.toolchain`: find or fetch Terraform and its provider; with arguments, run Terraform with them."""

import os
import subprocess
import sys
from pathlib import Path

from tools.console import Terminal
from tools.errors import OperatorError, of_the_system
from tools.toolchain.provider import find_provider
from tools.toolchain.terraform import find_terraform, terraform_environment

_STACK = Path(__file__).resolve().parents[2] / "terraform" / "stacks" / "hub"


def main(arguments: list[str]) -> int:
    """Do what the arguments say; the exit code."""
    try:
        terraform = find_terraform()
        if arguments:
            return subprocess.call([terraform, *arguments], env=terraform_environment(os.environ))
        find_provider(_STACK)
    except OperatorError as error:
        Terminal().fail(error)
        return 1
    except OSError as error:
        Terminal().fail(of_the_system(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
