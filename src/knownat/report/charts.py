"""The page's charts, from what the stages have measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from markupsafe import Markup

from knownat.profile import TIMES, Bin, Column
from knownat.report.evidence import Points
from knownat.report.histograms import Histogram
from knownat.report.numbers import count, score, share, significant
from knownat.report.svg import SHARES, Axis, Point, Series, chart, number, picture, text, ticks

DIAGONAL = Series("", [(0, 0), (1, 1)], "guide")
ANSWERS = ("true", "false")


def learning(losses: Mapping[str, list[float]]) -> Markup:
    """Train and validation loss by epoch; a dot on the epoch whose weights were kept."""
    train, validation = losses["train"], losses["validation"]
    every = [*train, *validation]
    best = min(range(len(validation)), key=validation.__getitem__)
    kept = Series("", [(best + 1, validation[best])], "b", dots=True)
    return chart(
        f"Loss by epoch; the lowest on validation is {score(validation[best])}, in epoch {best + 1}",
        Axis("epoch", ticks(0, len(train), whole=True)),
        Axis("log loss", ticks(min(every), max(every))),
        [Series("train", _numbered(train), "a"), Series("validation", _numbered(validation), "b"), kept],
    )


def _numbered(values: Sequence[float]) -> list[Point]:
    return [(float(epoch), value) for epoch, value in enumerate(values, 1)]


def roc(points: Points, auc: float, peer_auc: float) -> Markup:
    """True against false positives, of model and peer; the diagonal is what chance gives."""
    x, y = "false positive rate", "true positive rate"
    model, peer = (_pairs(points, "false_positive_rate", name) for name in ("model", "peer"))
    title = f"ROC curve of the test split, area {score(auc)}; the peer has {score(peer_auc)}, chance gives 0.500"
    curves = [Series("model", model), Series("peer", peer, "b"), _guide("chance", DIAGONAL.points)]
    return chart(title, Axis(x, SHARES), Axis(y, SHARES), curves)


def precision_recall(points: Points, area: float, rate: float) -> Markup:
    """Precision against recall; the level line is the label's share, which chance gives."""
    curve = Series("model", _pairs(points, "recall", "precision"))
    title = f"Precision against recall on the test split, area {score(area)}; chance gives {score(rate)}"
    guide = _guide("label rate", [(0, rate), (1, rate)])
    return chart(title, Axis("recall", SHARES), Axis("precision", SHARES), [curve, guide])


def calibration(points: Points, error: float) -> Markup:
    """Share of true labels against the probability, by bins; on the diagonal a probability means what it says."""
    curve = Series("model", _pairs(points, "predicted", "actual"), dots=True)
    title = f"Calibration on the test split, expected error {score(error)}"
    axes = Axis("predicted probability", SHARES), Axis("share that is true", SHARES)
    return chart(title, *axes, [curve, _guide("calibrated", DIAGONAL.points)])


def _guide(name: str, points: Sequence[Point]) -> Series:
    return Series(name, points, "guide")


def _pairs(points: Points, x: str, y: str) -> list[Point]:
    return [(float(point[x]), float(point[y])) for point in points]


def confusion(points: Points, width: float = 440, height: float = 330) -> Markup:
    """Rows by actual and predicted label, each cell as deep as its share of the actual label."""
    counts = Counter((point["actual"], point["predicted"]) for point in points)
    left, top, wide, high = 92.0, 58.0, 168.0, 120.0
    parts = [text(left + wide, 18, "predicted", "middle", "label")]
    turned = Markup('<text class="label" text-anchor="middle" transform="translate(14 {}) rotate(-90)">actual</text>')
    parts.append(turned.format(number(top + high)))
    cell = Markup('<rect class="cell" x="{}" y="{}" width="{}" height="{}" fill-opacity="{}"/>')
    for i, actual in enumerate(ANSWERS):
        total = sum(counts[actual, answer] for answer in ANSWERS)
        parts.append(text(left - 12, top + high * (i + 0.5) + 4, actual, "end"))
        parts.append(text(left + wide * (i + 0.5), top - 12, actual, "middle"))
        for j, predicted in enumerate(ANSWERS):
            rows = counts[actual, predicted]
            x, y, part = left + wide * j, top + high * i, rows / total if total else 0.0
            parts.append(cell.format(number(x + 2), number(y + 2), number(wide - 4), number(high - 4), f"{0.06 + 0.34 * part:.2f}"))
            parts.append(text(x + wide / 2, y + high / 2 + 2, count(rows), "middle", "figure"))
            parts.append(text(x + wide / 2, y + high / 2 + 24, f"{share(part)} of actual {actual}", "middle", "note"))
    said = ", ".join(f"{count(counts[a, p])} actual {a} predicted {p}" for a in ANSWERS for p in ANSWERS)
    return picture(f"Confusion matrix of the test split: {said}", width, height, parts)


def spark(name: str, histogram: Histogram, width: float = 168, height: float = 40) -> Markup:
    """Train as bars, test as a line over the same bins; of categories, those that have a bin of their own."""
    shown = len(histogram.words) or len(histogram.train)
    train, test = histogram.train[:shown], histogram.test[:shown]
    wide, tall = width / shown, (height - 2) / (max(*train, *test) or 1)
    bar = Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>')
    parts = [
        bar.format(number(wide * i), number(height - tall * part), number(max(wide - 1, 0.5)), number(tall * part))
        for i, part in enumerate(train)
        if part
    ]
    if any(test):
        steps = [f"{number(wide * (i + side))} {number(height - tall * part)}" for i, part in enumerate(test) for side in (0, 1)]
        parts.append(Markup('<path class="line b" d="M{}"/>').format("L".join(steps)))
    title = f"{name} from {histogram.low} to {histogram.high}: train as bars, test as a line"
    return picture(title, width, height, parts, "spark")


def spread(column: Column, width: float = 440, height: float = 130) -> Markup:
    """Rows by bins as bars, and the label rate in each as a line; pointed at, a bar says its numbers."""
    floor, wide = height - 22, width / len(column.bins)
    most = max(b.tally.rows for b in column.bins) or 1
    bar = Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"><title>{}</title></rect>')
    parts = []
    for i, found in enumerate(column.bins):
        tall = (floor - 2) * found.tally.rows / most
        parts.append(
            bar.format(number(wide * i), number(floor - tall), number(max(wide - 1, 0.5)), number(tall), _told(found, column))
        )
    rates = [(wide * (i + 0.5), floor - (floor - 2) * b.tally.rate) for i, b in enumerate(column.bins) if b.tally.rate is not None]
    if rates:
        path = "L".join(f"{number(x)} {number(y)}" for x, y in rates)
        dot = Markup('<circle class="dot b" cx="{}" cy="{}" r="2.5"/>')
        parts += [Markup('<path class="line b" d="M{}"/>').format(path), *(dot.format(number(x), number(y)) for x, y in rates)]
    parts.append(Markup('<line class="axis" x1="0" y1="{0}" x2="{1}" y2="{0}"/>').format(number(floor), number(width)))
    first, last = _end(column.bins[0].low, column), _end(column.bins[-1].high, column)
    parts += [text(0, height - 6, first), text(width, height - 6, last, "end")]
    return picture(f"{column.name} from {first} to {last}, by rows", width, height, parts)


def outline(column: Column, width: float = 120, height: float = 30) -> Markup:
    """The bars alone, for a line of a table; of what has no order, the most frequent values."""
    rows = [b.tally.rows for b in column.bins] or [f.tally.rows for f in column.top]
    wide, most = min(width / max(len(rows), 1), width / 10), max(rows, default=1) or 1
    bar = Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>')
    tall = [(height - 2) * n / most for n in rows]
    parts = [
        bar.format(number(wide * i), number(height - t), number(max(wide - 1, 0.5)), number(t)) for i, t in enumerate(tall) if t
    ]
    return picture(f"{column.name}, by rows", width, height, parts, "spark")


def _told(found: Bin, column: Column) -> str:
    rate = f", label rate {share(found.tally.rate)}" if found.tally.rate is not None else ""
    return f"{_end(found.low, column)} to {_end(found.high, column)}: {count(found.tally.rows)} rows{rate}"


def _end(value: float | str, column: Column) -> str:
    return str(value)[:10] if column.dtype in TIMES else significant(float(value))
