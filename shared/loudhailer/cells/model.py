"""Cells, as the deployment's map declares them, and their leases."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlsplit

from loudhailer import codec, ids
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import CellName
from loudhailer.settings import matching

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION_GRAMMAR = r"[a-z]{2}(-[a-z]+)+-[0-9]"
_REGION = re.compile(_REGION_GRAMMAR)
_EXTERNAL_ID_GRAMMAR = r"[\w+=,.@:/-]{2,1224}"
_EXTERNAL_ID = re.compile(_EXTERNAL_ID_GRAMMAR)
_STAGE = r"[A-Za-z0-9_-]{1,128}"

_LARGEST_WEIGHT = 1_000_000
_MOST_CONNECTS = 100_000


@dataclass(frozen=True, slots=True)
class DeclaredCell:
    """A further cell, as the deployment's map declares it.

    Attributes:
        name: its name.
        account_id: the AWS account that it is in.
        external_id: the external id with which the hub assumes its role there; not secret.
        region: the Region that it is in.
        weight: its share of the new sessions, relative to the other cells' weights; 0 for no sessions.
        connects_per_second: new connections that API Gateway lets into its account in a second, 0 for any number; None:
            as many as into those of other cells.
    """

    name: CellName
    account_id: str
    external_id: str
    region: str
    weight: float
    connects_per_second: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The last sign of life of a further cell; the cell writes all of it itself.

    Attributes:
        at: time at which it was written, in epoch seconds.
        is_well: its tables and its API answered.
        websocket_url: the address to which its clients connect.
        connections: number of its connections, by its counts.
        tenant_revision: the last change of the hub's tenants that the cell has copied.
        taking_part: the cells, with their weights, over which the limits of these tenants were divided.
    """

    at: int
    is_well: bool
    websocket_url: str
    connections: int
    tenant_revision: int
    taking_part: Mapping[CellName, float] = field(default_factory=dict)

    def is_alive(self, now: float, seconds: int) -> bool:
        """Tell whether the lease is well and at most so many seconds old; one from the future is not believed."""
        return self.is_well and abs(now - self.at) <= seconds


@dataclass(frozen=True, slots=True)
class CellStatus:
    """A further cell's lease, if it ever had one, and an operator's order for its weight, if there is one."""

    lease: Lease | None = None
    ordered_weight: float | None = None


def is_url_in(region: str, url: str, own_url: str) -> bool:
    """Tell whether a cell's URL for clients is one of API Gateway in its Region.

    On a local stack, where the hub's `own_url` is not one either, it must be on the hub's host.
    """
    if own_url.startswith("wss://"):
        return re.fullmatch(rf"wss://[a-z0-9]{{10}}\.{re.escape(_domain(region))}/{_STAGE}", url) is not None
    try:
        own, other = urlsplit(own_url), urlsplit(url)
    except ValueError:
        return False
    return (own.scheme, own.hostname) == (other.scheme, other.hostname)


def hosts_in(region: str, own_url: str) -> str:
    """Return the hosts that `is_url_in` accepts for a Region, as a source of a Content Security Policy."""
    if own_url.startswith("wss://"):
        return f"wss://*.{_domain(region)}"
    own = urlsplit(own_url)
    return f"{own.scheme}://{own.hostname}:*"


def _domain(region: str) -> str:
    """Return the domain of a Region's APIs."""
    return f"execute-api.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def declared_cells(text: str) -> Mapping[CellName, DeclaredCell]:
    """Parse the variable `CELLS`: JSON from name to `accountId`, `externalId`, `region`, `weight` and other fields.

    `connectsPerSecond` may be left out.
    """
    try:
        return {ids.cell_name(name): _declared(ids.cell_name(name), wire) for name, wire in _object(text).items()}
    except InvalidFieldError as error:
        raise ValueError(f"must be a JSON object of cells: {error}") from error


def cell_weights(text: str) -> Mapping[CellName, float]:
    """Parse the variable `CELL_WEIGHTS`: JSON from name to weight, the hub's included."""
    try:
        return {ids.cell_name(name): _weight(weight) for name, weight in _object(text).items()}
    except InvalidFieldError as error:
        raise ValueError(f"must be a JSON object of weights: {error}") from error


def _name(text: str) -> CellName:
    try:
        return ids.cell_name(text)
    except InvalidFieldError as error:
        raise ValueError(error.reason) from error


def cell_regions(text: str) -> Mapping[CellName, str]:
    """Parse the variable `CELL_REGIONS`: JSON from the name of a further cell to its Region."""
    try:
        wire = _object(text)
        return {ids.cell_name(name): _text(wire, name, _REGION, "a Region") for name in wire}
    except InvalidFieldError as error:
        raise ValueError(f"must be a JSON object of Regions: {error}") from error


Region = Annotated[str, matching(_REGION_GRAMMAR, "a Region")]
CellRegions = Annotated[Mapping[CellName, str], cell_regions]
ExternalId = Annotated[str, matching(_EXTERNAL_ID_GRAMMAR, "an external id")]
NameOfCell = Annotated[CellName, _name]
Cells = Annotated[Mapping[CellName, DeclaredCell], declared_cells]
CellWeights = Annotated[Mapping[CellName, float], cell_weights]


def _object(text: str) -> dict[str, Any]:
    try:
        return codec.decode_object(text)
    except codec.NotJsonError as error:
        raise ValueError("must be a JSON object") from error


def _declared(name: CellName, wire: Any) -> DeclaredCell:
    if not isinstance(wire, dict):
        raise InvalidFieldError(name, "must be an object")
    return DeclaredCell(
        name,
        _text(wire, "accountId", _ACCOUNT, "an AWS account id"),
        _text(wire, "externalId", _EXTERNAL_ID, "an external id"),
        _text(wire, "region", _REGION, "a Region"),
        _weight(wire.get("weight")),
        _number(wire, "connectsPerSecond", _MOST_CONNECTS) if "connectsPerSecond" in wire else None,
    )


def _text(wire: dict[str, Any], field: str, grammar: re.Pattern[str], form: str) -> str:
    value = wire.get(field)
    if not isinstance(value, str) or grammar.fullmatch(value) is None:
        raise InvalidFieldError(field, f"must be {form}")
    return value


def _weight(value: Any) -> float:
    return _number({"weight": value}, "weight", _LARGEST_WEIGHT)


def _number(wire: dict[str, Any], field: str, most: int) -> float:
    value = wire.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= most:
        raise InvalidFieldError(field, f"must be a number from 0 to {most}")
    return float(value)
