"""A trace as a picture: an SVG that stands by itself, sources above, the file asked about below."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from markupsafe import Markup

from knownat.lock import File, same
from knownat.report.svg import number
from knownat.tracing import Trace

LETTER, LINE, PAD, GAP, SPACE = 7.3, 17, 10, 46, 24  # pixels
STYLE = (
    "text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1f2933}.name{font-weight:700}.hash{fill:#6b7785}"
    "rect{fill:#fff;stroke:#8a97a6}.source rect{fill:#f1f4f8;stroke-dasharray:4 3}.asked rect{stroke:#1f6feb;stroke-width:2.5}"
    "path{fill:none;stroke:#8a97a6;stroke-width:1.5}svg{background:#fff}"
)
NAME = 14  # letters of a hash that are shown


@dataclass(frozen=True)
class Box:
    kind: str
    title: str
    files: tuple[File, ...]

    @property
    def width(self) -> float:
        return LETTER * max(len(self.title), *(len(f.path) + 2 + NAME for f in self.files)) + 2 * PAD

    @property
    def height(self) -> float:
        return LINE * (len(self.files) + 1) + 2 * PAD


def as_svg(found: Trace) -> str:
    boxes = {f"source {file.path}": Box("source", "source", (file,)) for file in found.sources}
    for stage in found.stages:
        files = tuple(found.kept(stage))
        boxes[stage.name] = Box("asked" if found.file in files else "stage", stage.name, files)
    edges = _edges(found)
    places, width, height = _places(boxes, edges)
    parts = [_curve(places[a], boxes[a], places[b], boxes[b]) for b, before in edges.items() for a in sorted(before)]
    parts += [_box(box, *places[name]) for name, box in boxes.items()]
    head = Markup('<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" viewBox="0 0 {0} {1}" role="img">')
    title = Markup("<title>What {} was made from</title><style>{}</style>").format(found.file.path, Markup(STYLE))
    return str(head.format(number(width), number(height)) + title + Markup("\n").join(parts) + Markup("</svg>"))


def _edges(found: Trace) -> dict[str, set[str]]:
    """Each stage with what it waits for, without what another of these waits for too."""
    direct: dict[str, set[str]] = {}
    for stage in found.stages:
        made = {other.name for other in found.stages for o in other.outputs for i in stage.inputs if same(o.path, i.path)}
        direct[stage.name] = (made - {stage.name}) | {f"source {f.path}" for f in found.sources if f in stage.inputs}

    @cache
    def before(name: str) -> frozenset[str]:
        return frozenset(direct.get(name, ())).union(*(before(other) for other in direct.get(name, ())))

    return {name: {o for o in others if not any(o in before(p) for p in others - {o})} for name, others in direct.items()}


def _places(boxes: Mapping[str, Box], edges: Mapping[str, set[str]]) -> tuple[dict[str, tuple[float, float]], float, float]:
    """Where each box's upper left corner is, row by row, and how large all is."""
    depth: dict[str, int] = {}
    for name in edges:  # in the order in which they run
        depth[name] = 1 + max((depth.get(other, 0) for other in edges[name]), default=0)
    for name in boxes:
        depth.setdefault(name, min((depth[stage] for stage, others in edges.items() if name in others), default=1) - 1)
    rows = [[name for name in boxes if depth[name] == row] for row in range(max(depth.values()) + 1)]
    widths = [sum(boxes[name].width + SPACE for name in row) + SPACE for row in rows]
    places, y = {}, float(SPACE)
    for row, wide in zip(rows, widths, strict=True):
        x = (max(widths) - wide) / 2 + SPACE
        for name in row:
            places[name] = (x, y)
            x += boxes[name].width + SPACE
        y += max((boxes[name].height for name in row), default=0) + GAP
    return places, max(widths), y - GAP + SPACE


def _curve(start: tuple[float, float], upper: Box, end: tuple[float, float], lower: Box) -> Markup:
    x1, y1, x2, y2 = start[0] + upper.width / 2, start[1] + upper.height, end[0] + lower.width / 2, end[1]
    down = max(y1, y2 - GAP)  # past a higher box beside it
    middle = (down + y2) / 2
    return Markup('<path d="M{} {}V{}C{} {} {} {} {} {}"/>').format(*map(number, (x1, y1, down, x1, middle, x2, middle, x2, y2)))


def _box(box: Box, x: float, y: float) -> Markup:
    frame = Markup('<rect x="{}" y="{}" width="{}" height="{}" rx="5"/>').format(*map(number, (x, y, box.width, box.height)))
    line = Markup('<text x="{}" y="{}"><tspan class="{}">{}</tspan><tspan class="hash">{}</tspan></text>')
    lines = [line.format(number(x + PAD), number(y + PAD + LINE - 4), "name", box.title, "")]
    for place, file in enumerate(box.files, 2):
        lines.append(line.format(number(x + PAD), number(y + PAD + LINE * place - 4), "path", file.path, f"  {file.hash[:NAME]}"))
    return Markup('<g class="{}">{}</g>').format(box.kind, frame + Markup("").join(lines))
