"""A small inline SVG chart: two labelled axes, lines and dots; colours come from the page's style sheet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

WIDTH, HEIGHT = 440, 330
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 34, 46

Point = tuple[float, float]


@dataclass(frozen=True)
class Axis:
    label: str
    ticks: tuple[float, ...]
    words: tuple[str, ...] = ()  # in place of the ticks' numbers

    def place(self, value: float, start: float, end: float) -> float:
        low, high = self.ticks[0], self.ticks[-1]
        return start + (end - start) * (min(max(value, low), high) - low) / (high - low)


@dataclass(frozen=True)
class Series:
    """`a`, `b` and `c` are data, told apart by dashes too; a `guide` is what to compare with.

    `intervals`: x, low and high of each bar that is drawn through a point.
    """

    name: str
    points: Sequence[Point]
    style: Literal["a", "b", "c", "guide"] = "a"
    dots: bool = False
    intervals: Sequence[tuple[float, float, float]] = ()


SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


def ticks(low: float, high: float, *, whole: bool = False) -> tuple[float, ...]:
    """Some five round numbers (or whole ones), evenly spaced, that hold low and high."""
    if not high > low:
        low, high = math.floor(low), math.floor(low) + 1
    rough = max((high - low) / 5, 1 if whole else 0)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in ((1, 2, 5, 10) if whole else (1, 2, 2.5, 5, 10)) if s * power >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return tuple(round(n * step, 10) for n in range(first, last + 1))


def chart(title: str, x: Axis, y: Axis, series: Sequence[Series]) -> Markup:
    """The picture, with its title for those who hear it."""
    parts = [*_grid(x, y), *_legend(series)]
    for drawn in series:
        parts += _series(drawn, x, y)
    return picture(title, WIDTH, HEIGHT, parts)


def picture(title: str, width: float, height: float, parts: Sequence[Markup], kind: str = "chart") -> Markup:
    head = Markup('<svg class="{}" viewBox="0 0 {} {}" role="img"><title>{}</title>').format(kind, width, height, title)
    return head + Markup("").join(parts) + Markup("</svg>")


def text(x: float, y: float, words: str, anchor: str = "start", kind: str = "") -> Markup:
    return Markup('<text x="{}" y="{}" text-anchor="{}" class="{}">{}</text>').format(number(x), number(y), anchor, kind, words)


def number(value: float) -> str:
    """Tenths of a unit are finer than a pixel, and the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")


def _grid(x: Axis, y: Axis) -> Iterator[Markup]:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    line = Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>')
    for tick in y.ticks:
        at = number(y.place(tick, bottom, TOP))
        yield line.format("axis" if tick == y.ticks[0] else "grid", LEFT, at, right, at)
        yield text(LEFT - 8, y.place(tick, bottom, TOP) + 4, f"{tick:g}", "end")
    for tick, words in zip(x.ticks, x.words or [f"{tick:g}" for tick in x.ticks], strict=False):
        yield text(x.place(tick, LEFT, right), bottom + 18, words, "middle")
    yield text((LEFT + right) / 2, HEIGHT - 6, x.label, "middle", "label")
    middle = number((TOP + bottom) / 2)
    turned = Markup('<text class="label" text-anchor="middle" transform="translate(14 {}) rotate(-90)">{}</text>')
    yield turned.format(middle, y.label)


def _legend(series: Sequence[Series]) -> Iterator[Markup]:
    at = float(LEFT)
    for drawn in series:
        if drawn.name:
            yield Markup('<path class="line {}" d="M{} 14h22"/>').format(drawn.style, number(at))
            yield text(at + 28, 18, drawn.name)
            at += 28 + 7.2 * len(drawn.name) + 18


def _series(drawn: Series, x: Axis, y: Axis) -> Iterator[Markup]:
    for at, low, high in drawn.intervals:
        ends = [number(y.place(value, HEIGHT - BOTTOM, TOP)) for value in (low, high)]
        yield Markup('<path class="span {}" d="M{} {}V{}"/>').format(drawn.style, number(x.place(at, LEFT, WIDTH - RIGHT)), *ends)
    pixels = [(x.place(a, LEFT, WIDTH - RIGHT), y.place(b, HEIGHT - BOTTOM, TOP)) for a, b in drawn.points]
    if len(pixels) > 1:
        path = "L".join(f"{number(a)} {number(b)}" for a, b in _thinned(pixels))
        yield Markup('<path class="line {}" d="M{}"/>').format(drawn.style, path)
    for a, b in pixels if drawn.dots or len(pixels) == 1 else ():
        yield Markup('<circle class="dot {}" cx="{}" cy="{}" r="4"/>').format(drawn.style, number(a), number(b))


def _thinned(pixels: Sequence[Point]) -> list[Point]:
    """Without the points that nobody could tell from the one before; the last one stays."""
    kept = [pixels[0]]
    for point in pixels[1:-1]:
        if math.dist(point, kept[-1]) >= 1:
            kept.append(point)
    return [*kept, pixels[-1]]
