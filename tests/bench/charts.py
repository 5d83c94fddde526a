"""Drawings for the page, as small SVG files: text and shapes, readable on light and dark pages."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from tests.bench.results import number

_WIDTH = 720
_COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626")
_GREY = "#94a3b8"

type Point = tuple[float, float]


def bars(title: str, values: Mapping[str, float]) -> str:
    """One bar for each value, the first one in colour."""
    label_width, row, top = 160, 30, 44
    longest = max(values.values())
    parts = []
    for index, (name, value) in enumerate(values.items()):
        y = top + index * row
        width = max(1.0, value / longest * (_WIDTH - label_width - 90))
        colour = _COLOURS[0] if index == 0 else _GREY
        parts += [
            _text(label_width - 10, y + 15, name, anchor="end"),
            f'<rect x="{label_width}" y="{y}" width="{width:.1f}" height="20" rx="2" fill="{colour}"/>',
            _text(label_width + width + 8, y + 15, number(value)),
        ]
    return _svg(title, top + len(values) * row + 10, parts)


def cumulative(title: str, unit: str, series: Mapping[str, Sequence[float]], mark: tuple[str, float]) -> str:
    """The share of each series' values that are at most x, with a line at the place that `mark` names."""
    left, right, top, bottom = 60, _WIDTH - 20, 50, 330
    largest = max(mark[1], *(max(values) for values in series.values())) * 1.05

    def place(value: float, share: float) -> Point:
        return left + value / largest * (right - left), bottom - share * (bottom - top)

    parts = [f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="{_GREY}"/>']
    for share in (0.0, 0.5, 0.99, 1.0):
        _, y = place(0, share)
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_GREY}" stroke-width="0.3"/>')
        parts.append(_text(left - 8, y + (12 if share == 0.99 else 4), f"{share:.0%}", anchor="end"))
    for tick in _ticks(largest):
        x, _ = place(tick, 0)
        parts.append(_text(x, bottom + 18, f"{tick:,.10g}", anchor="middle"))
    parts.append(_text(right, bottom + 36, unit, anchor="end"))
    x, _ = place(mark[1], 0)
    dashes = f'stroke="{_COLOURS[-1]}" stroke-dasharray="4 3"'
    parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{bottom}" {dashes}/>')
    parts.append(_text(x, top - 8, mark[0], anchor="middle", colour=_COLOURS[-1]))
    for index, (name, values) in enumerate(series.items()):
        colour = _COLOURS[index]
        points = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in _steps(values)))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(right - 12, bottom - 40 + 18 * index, name, anchor="end", colour=colour))
    return _svg(title, bottom + 50, parts)


def lines(title: str, unit: str, height_unit: str, series: Mapping[str, Sequence[Point]]) -> str:
    """A line through the points of each series, without values that are no numbers."""
    left, right, top, bottom = 70, _WIDTH - 20, 60, 330
    drawn = {name: [point for point in points if not math.isnan(point[1])] for name, points in series.items()}
    widest = max(x for points in drawn.values() for x, _ in points)
    highest = max(y for points in drawn.values() for _, y in points) * 1.05

    def place(point: Point) -> Point:
        return left + point[0] / widest * (right - left), bottom - point[1] / highest * (bottom - top)

    parts = [f'<line x1="{left}" y1="{bottom}" x2="{right}" y2="{bottom}" stroke="{_GREY}"/>']
    for tick in _ticks(highest):
        _, y = place((0, tick))
        parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}" stroke="{_GREY}" stroke-width="0.3"/>')
        parts.append(_text(left - 8, y + 4, f"{tick:,.10g}", anchor="end"))
    for tick in _ticks(widest):
        x, _ = place((tick, 0))
        parts.append(_text(x, bottom + 18, f"{tick:,.10g}", anchor="middle"))
    parts += [_text(right, bottom + 36, unit, anchor="end"), _text(left - 8, top - 14, height_unit, anchor="end")]
    for index, (name, points) in enumerate(drawn.items()):
        colour = _COLOURS[index]
        corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, points))
        parts.append(f'<polyline points="{corners}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(left + 12, top + 14 + 18 * index, name, colour=colour))
    return _svg(title, bottom + 50, parts)


def _ticks(largest: float) -> list[float]:
    """Round numbers from 0 to the largest, at most seven."""
    rough = largest / 6
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    return [step * tick for tick in range(int(largest / step) + 1)]


def _steps(values: Sequence[float], most: int = 200) -> list[Point]:
    """The distribution as at most so many points."""
    ordered = sorted(values)
    step = max(1, len(ordered) // most)
    places = [*range(0, len(ordered), step), len(ordered) - 1]
    return [(ordered[place], (place + 1) / len(ordered)) for place in places]


def _text(x: float, y: float, text: str, *, anchor: str = "start", colour: str = "#475569") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui, sans-serif" font-size="13">'
    )
    background = f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>'
    heading = f'<text x="16" y="26" font-size="15" font-weight="600" fill="#0f172a">{escape(title)}</text>'
    return "\n".join([head, background, heading, *parts, "</svg>", ""])
