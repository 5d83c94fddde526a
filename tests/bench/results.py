"""Results of a benchmark as values: tables, charts, and a comparison with the targets."""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

type ReportProgress = Callable[[int, int, str], None]
"""Reports how many of how many steps are done, and which one comes next."""


@dataclass(frozen=True, slots=True)
class Target:
    """A number that was to be reached, and the one that was measured."""

    name: str
    wanted: str
    measured: str
    is_met: bool


@dataclass(frozen=True, slots=True)
class ResultTable:
    """Rows of text under a title; the first column names the row, the others are numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing, kept beside the page under its name."""

    name: str
    caption: str
    svg: str


@dataclass(frozen=True, slots=True)
class Section:
    """One benchmark: its description in Markdown, and its results."""

    title: str
    method: str
    tables: Sequence[ResultTable]
    targets: Sequence[Target] = ()
    charts: Sequence[Chart] = ()


def at_most(name: str, measured: float, limit: float, form: Callable[[float], str]) -> Target:
    """A target that a smaller number reaches too; NaN reaches none."""
    return Target(name, f"≤ {form(limit)}", form(measured), measured <= limit)


def at_least(name: str, measured: float, limit: float, form: Callable[[float], str]) -> Target:
    """A target that a larger number reaches too; NaN reaches none."""
    return Target(name, f"≥ {form(limit)}", form(measured), measured >= limit)


def median(values: Sequence[float]) -> float:
    """The median; NaN of no values, for what could not be measured."""
    return statistics.median(values) if values else math.nan


def median_ratio(values: Sequence[float], to: Sequence[float]) -> float:
    """The median of the ratios round by round, so that a slow moment of the machine weighs on both sides alike."""
    return median([value / other for value, other in zip(values, to, strict=True)])


def number(value: float) -> str:
    """A number with as many digits as it takes to compare it: 12,345, 123, 12.3, 1.23."""
    if math.isnan(value):
        return "-"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{decimals}f}"


def times(value: float) -> str:
    """A ratio."""
    return f"{number(value)} x"


def percent(value: float) -> str:
    """A share."""
    return "-" if math.isnan(value) else f"{value:.1%}"


def microseconds(value: float) -> str:
    """Seconds as microseconds."""
    return f"{number(value * 1e6)} us"
