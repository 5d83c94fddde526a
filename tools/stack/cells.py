"""The accounts of the further cells of a local stack."""

from collections.abc import Mapping
from typing import Any

from tools.stack.local_aws import REGION

CELL_ACCOUNTS = {
    "north": "444444444444",
    "south": "666666666666",
}

_PLACEMENT = {"home_connections": 1, "beat_seconds": 2, "lease_seconds": 6}
"""Every tenant has its home on all cells, and a cell that is lost is noticed while one watches."""

_OF_ALL = ("quota", "session_share", "connections", "messaging")
"""Variables of the hub's own cell that hold for the further ones, too."""


def cell_variables(number: int) -> dict[str, Any]:
    """The hub's variables for so many cells, its own included; none at all if that is the only one."""
    further = list(CELL_ACCOUNTS.items())[: number - 1]
    if not further:
        return {}
    return {
        "cells": {
            name: {"account_id": account, "external_id": f"local-{name}", "region": REGION} for name, account in further
        },
        "placement": _PLACEMENT,
    }


def variables_of_a_cell(hub_variables: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of a further cell that follow from the hub's."""
    broadcast = {
        name: value for name, value in hub_variables.get("broadcast", {}).items() if name != "lifetime_seconds"
    }
    same = {name: hub_variables[name] for name in _OF_ALL if name in hub_variables}
    return same | ({"broadcast": broadcast} if broadcast else {})


def gateway_of(cell: str) -> str:
    """The name of the process that stands in for the gateway of a further cell."""
    return f"gateway-{cell}"
