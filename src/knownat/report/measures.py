"""The page's charts of what `evaluate` measured beyond one number: thresholds, inputs, slices and quarters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal

from markupsafe import Markup

from knownat.report.evidence import Points
from knownat.report.numbers import count, score, share
from knownat.report.svg import SHARES, Axis, Series, chart, number, picture, text, ticks

MOST_INPUTS = 15
MOST_WORDS = 5
WIDTH, ROW, HEAD, FOOT = 440, 34, 22, 46


@dataclass(frozen=True)
class Range:
    """A line of a chart: its name, its value with an interval, and what is said at the right."""

    name: str
    value: float
    low: float
    high: float
    note: str


def thresholds(points: Points) -> Markup:
    """Precision, recall and accuracy against the threshold."""
    styles: tuple[tuple[str, Literal["a", "b", "c"]], ...] = (("precision", "a"), ("recall", "b"), ("accuracy", "c"))
    curves = [Series(name, [(float(p["threshold"]), float(p[name])) for p in points], style) for name, style in styles]
    title = "Precision, recall and accuracy on the test split by threshold"
    return chart(title, Axis("threshold", SHARES), Axis("score", SHARES), curves)


def importance(points: Points) -> Markup:
    """The inputs without which the AUC falls most, as bars with the least and the most of the repeats."""
    found = [
        Range(p["input"], float(p["auc_loss"]), float(p["auc_loss_low"]), float(p["auc_loss_high"]), score(float(p["auc_loss"])))
        for p in points[:MOST_INPUTS]
    ]
    low, high = min(0.0, *(r.low for r in found)), max(0.0, *(r.high for r in found))
    # chance takes a little below 0 what says nothing: that is no reason for an axis below 0
    axis = Axis("loss of AUC", ticks(low if low < -high / 20 else 0.0, high))
    return ranges("Loss of AUC when an input is shuffled", axis, found, bars=True)


def slices(name: str, points: Points, overall: float) -> Markup:
    """The AUC of each slice by one input, the best first, beside that of the whole test split."""
    ranked = sorted(points, key=lambda p: (-float(p["auc"]), p["value"]))
    found = [
        Range(
            p["value"] or "missing",
            float(p["auc"]),
            float(p["auc_low"]),
            float(p["auc_high"]),
            f"{score(float(p['auc']))}, {count(int(p['rows']))} rows",
        )
        for p in ranked
    ]
    axis = Axis("AUC", ticks(min(overall, *(r.low for r in found)), max(overall, *(r.high for r in found))))
    return ranges(f"AUC by {name}, beside {score(overall)} of the whole test split", axis, found, guide=overall)


def services(points: Points) -> Markup:
    """The AUC that each service's features allow, with the accuracy at a threshold of 0.5."""
    found = [
        Range(
            f"{p['service']}, as of {p['as_of']}",
            float(p["auc"]),
            float(p["auc_low"]),
            float(p["auc_high"]),
            f"{score(float(p['auc']))}, accuracy {share(float(p['accuracy']))}",
        )
        for p in points
    ]
    axis = Axis("AUC", ticks(min(r.low for r in found), max(r.high for r in found)))
    return ranges("AUC of gradient boosting by service", axis, found)


def quarters(points: Points) -> Markup:
    """The AUC of model and peer by quarter; the bars are the model's intervals."""
    every = [float(p[name]) for p in points for name in ("auc_low", "auc_high", "peer_auc")]
    step = ceil(len(points) / MOST_WORDS)
    words = tuple(p["quarter"] if i % step == 0 else "" for i, p in enumerate(points))
    at = Axis("quarter", tuple(float(i) for i in range(max(len(points), 2))), words)
    model = Series(
        "model",
        [(float(i), float(p["auc"])) for i, p in enumerate(points)],
        dots=True,
        intervals=[(float(i), float(p["auc_low"]), float(p["auc_high"])) for i, p in enumerate(points)],
    )
    peer = Series("peer", [(float(i), float(p["peer_auc"])) for i, p in enumerate(points)], "b", dots=True)
    return chart("AUC of model and peer by quarter", at, Axis("AUC", ticks(min(every), max(every))), [model, peer])


def ranges(title: str, axis: Axis, found: Sequence[Range], *, bars: bool = False, guide: float | None = None) -> Markup:
    """A line for each: its name above, a dot or a bar with its interval below."""
    height = HEAD + ROW * len(found) + FOOT
    parts = [*_scale(axis, height), *(part for i, r in enumerate(found) for part in _line(r, axis, HEAD + ROW * i, bars))]
    if guide is not None:
        at, line = number(axis.place(guide, 0, WIDTH)), Markup('<line class="line guide" x1="{0}" y1="{1}" x2="{0}" y2="{2}"/>')
        parts.append(line.format(at, HEAD, height - FOOT))
    return picture(title, WIDTH, height, parts)


def _scale(axis: Axis, height: float) -> Iterator[Markup]:
    line = Markup('<line class="grid" x1="{0}" y1="{1}" x2="{0}" y2="{2}"/>')
    for tick in axis.ticks:
        at = axis.place(tick, 0, WIDTH)
        anchor = "start" if tick == axis.ticks[0] else "end" if tick == axis.ticks[-1] else "middle"
        yield line.format(number(at), HEAD, height - FOOT)
        yield text(at, height - FOOT + 18, f"{tick:g}", anchor)
    yield text(WIDTH / 2, height - 6, axis.label, "middle", "label")


def _line(found: Range, axis: Axis, top: float, bars: bool) -> Iterator[Markup]:
    middle, value = top + 23, axis.place(found.value, 0, WIDTH)
    yield text(0, top + 12, found.name, "start", "note")
    yield text(WIDTH, top + 12, found.note, "end")
    if bars:
        start = axis.place(0, 0, WIDTH)
        bar = Markup('<rect class="bar" x="{}" y="{}" width="{}" height="10"/>')
        yield bar.format(number(min(start, value)), number(middle - 5), number(abs(value - start)))
    span = Markup('<path class="span a" d="M{} {}H{}"/>')
    yield span.format(number(axis.place(found.low, 0, WIDTH)), number(middle), number(axis.place(found.high, 0, WIDTH)))
    if not bars:
        yield Markup('<circle class="dot a" cx="{}" cy="{}" r="4"/>').format(number(value), number(middle))
