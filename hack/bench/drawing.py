"""Small line charts as SVG, side by side; no library, readable on a light and on a dark page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

_WIDTH: Final = 400
_HEIGHT: Final = 250
_LEFT: Final = 56
_RIGHT: Final = 16
_TOP: Final = 44
_BOTTOM: Final = 42
_COLOURS: Final = ("#d9730d", "#2f6fde", "#3d9a50")
_STYLE: Final = (
    "text{font:12px sans-serif;fill:#777}.title{font-weight:bold;font-size:13px}"
    ".grid{stroke:#999;stroke-opacity:.3}.line{fill:none;stroke-width:2}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """Points (x, y) under one name, by ascending x > 0."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one logarithmic x axis; y begins at zero."""

    title: str
    x_label: str
    lines: Sequence[Line]


def draw(charts: Sequence[Chart], columns: int = 2) -> str:
    """One SVG document of all charts."""
    rows = math.ceil(len(charts) / columns)
    width, height = columns * _WIDTH, rows * _HEIGHT
    parts = [
        f'<g transform="translate({n % columns * _WIDTH} {n // columns * _HEIGHT})">'
        f"{_chart(chart)}</g>"
        for n, chart in enumerate(charts)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">'
    return "\n".join([head, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def ticks(most: float) -> list[float]:
    """Four to seven round numbers from 0 to at least `most`."""
    if most <= 0:
        return [0.0, 1.0]
    power = 10 ** math.floor(math.log10(most))
    unit = next(u * power for u in (0.2, 0.5, 1.0, 2.0) if most <= 6 * u * power)
    return [n * unit for n in range(math.ceil(most / unit - 1e-9) + 1)]


def _chart(chart: Chart) -> str:
    xs = sorted({x for line in chart.lines for x, _ in line.points})
    marks = ticks(max((y for line in chart.lines for _, y in line.points), default=1.0))
    low, high = math.log(xs[0]), math.log(xs[-1]) if len(xs) > 1 else math.log(xs[0]) + 1

    def place(x: float, y: float) -> tuple[float, float]:
        right = _LEFT + (math.log(x) - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - y / marks[-1] * (_HEIGHT - _TOP - _BOTTOM)
        return round(right, 1), round(down, 1)

    parts = [_text(_LEFT, 18, chart.title, "title", "start")]
    for y in marks:
        _, down = place(xs[0], y)
        parts.append(f'<path class="grid" d="M{_LEFT} {down}H{_WIDTH - _RIGHT}"/>')
        parts.append(_text(_LEFT - 6, down + 4, f"{y:g}", "", "end"))
    for x in xs:
        parts.append(_text(place(x, 0)[0], _HEIGHT - _BOTTOM + 16, f"{x:,.0f}", "", "middle"))
    parts.append(_text(_WIDTH / 2, _HEIGHT - 8, chart.x_label, "", "middle"))
    for number, line in enumerate(chart.lines):
        colour = _COLOURS[number]
        way = " ".join("{} {}".format(*place(x, y)) for x, y in line.points)
        parts.append(f'<path class="line" stroke="{colour}" d="M{way}"/>')
        for x, y in line.points:
            right, down = place(x, y)
            parts.append(f'<circle cx="{right}" cy="{down}" r="3" fill="{colour}"/>')
        left = _LEFT + 130 * number
        parts.append(f'<path class="line" stroke="{colour}" d="M{left} 32h16"/>')
        parts.append(_text(left + 22, 36, line.name, "", "start"))
    return "".join(parts)


def _text(x: float, y: float, text: str, kind: str, anchor: str) -> str:
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:g}" y="{y:g}"{style} text-anchor="{anchor}">{escape(text)}</text>'
