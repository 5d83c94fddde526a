"""The build of this project: an editable install of a checkout, and nothing else."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CheckoutOnly(BuildHookInterface[Any]):
    """Refuses to build a package: `loudhailer` needs the Terraform modules, the lock and the emulator of a checkout."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  # hatchling passes it
        """Let an editable install pass."""
        if version != "editable":
            raise RuntimeError("Loudhailer runs from a checkout. Clone the repository and run `make setup` in it.")
