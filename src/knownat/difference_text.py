"""A difference in words: for a terminal, as Markdown for a job's summary, as JSON for machines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from knownat.difference import Categories, Changed, Difference, Retyped
from knownat.report.numbers import MISSING, count, listed, significant

LONGEST = 60
MOST = 10


def as_json(revision: str, found: Sequence[Difference]) -> str:
    sets = [{"is_same": difference.is_same, **asdict(difference)} for difference in found]
    return json.dumps({"revision": revision, "data": sets}, indent=2, ensure_ascii=False)


def as_text(revision: str, found: Sequence[Difference]) -> str:
    """A line for each data set that is the same, a paragraph for each that is not."""
    lines = [f"The workspace against {revision}:"]
    for difference in found:
        lines += ["", f"{difference.name}: {summary(difference)}", *(f"  {line}" for line in details(difference))]
    return "\n".join(lines)


def as_markdown(revision: str, found: Sequence[Difference]) -> str:
    """A table of the data sets that differ, then what differs in each; the others in one line."""
    changed = [difference for difference in found if not difference.is_same]
    same = [difference.name for difference in found if difference.is_same]
    lines = [f"### Data against {plain(revision)}", ""]
    if changed:
        lines += ["| data | rows before | rows now | added | removed | changed |", "|---|--:|--:|--:|--:|--:|"]
        lines += [f"| {plain(d.name)} | {' | '.join(count(n) for n in _numbers(d))} |" for d in changed] + [""]
    for difference in changed:
        items = [f"- {plain(line)}" for line in details(difference)]
        lines += [f"**{plain(difference.name)}**", "", *items, ""] if items else []
    return "\n".join([*lines, f"No change: {', '.join(map(plain, same))}." if same else "All of the data changed."]) + "\n"


def _numbers(difference: Difference) -> tuple[int | None, ...]:
    return difference.before, difference.after, difference.added, difference.removed, difference.changed


def summary(difference: Difference) -> str:
    """50,000 → 50,010 rows; 12 added, 2 removed, 7 changed"""
    before, after, *moves = _numbers(difference)
    if difference.is_same:
        return f"no change, {count(after)} rows"
    rows = f"{count(before)} → {count(after)} rows"
    named = zip(moves, ("added", "removed", "changed"), strict=True)
    return rows if None in moves else f"{rows}; " + ", ".join(f"{count(number)} {name}" for number, name in named)


def details(difference: Difference) -> Iterator[str]:
    """A sentence for each thing that differs."""
    if difference.note:
        yield difference.note
    yield from map(_retyped, difference.columns)
    yield from (_changed(changed, difference.key) for changed in difference.values)
    for moved in difference.moved:
        distance, chance = significant(moved.distance), significant(moved.chance)
        yield f"{moved.column} is spread otherwise: total variation {distance}, where chance alone gives {chance}"
    for found in difference.categories:
        yield from _categories(found)


def _retyped(column: Retyped) -> str:
    if column.before is None:
        return f"column {column.column} is new ({column.after})"
    if column.after is None:
        return f"column {column.column} is gone (it was {column.before})"
    compared = "values are compared as numbers or times" if column.compared else "values are not compared"
    return f"column {column.column} was {column.before} and is {column.after}; {compared}"


def _changed(changed: Changed, key: Sequence[str]) -> str:
    examples = [
        f"{', '.join(f'{name} {shown(part)}' for name, part in zip(key, e.key, strict=True))}: {shown(e.before)} → {shown(e.after)}"
        for e in changed.examples
    ]
    rows = "row" if changed.rows == 1 else "rows"
    return f"{changed.column} changed in {count(changed.rows)} {rows}, such as {'; '.join(examples)}"


def _categories(found: Categories) -> Iterator[str]:
    for values, what in ((found.new, "new"), (found.vanished, "gone")):
        if values:
            words = [f"{shown(word)} ({count(rows)})" for word, rows in values[:MOST]]
            more = [f"{count(len(values) - MOST)} more"] if len(values) > MOST else []
            yield f"{found.column} has {what} values: {listed([*words, *more])}"


def shown(value: str | None) -> str:
    """A value on one line, cut where it is long; null as a dash."""
    if value is None:
        return MISSING
    line = " ".join(value.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"


def plain(text: str) -> str:
    """Text that Markdown shows as it stands: no value of a table becomes a link, a tag, a formula or a column."""
    return "".join(f"&#{ord(c)};" if c in "<>&|`*[]\\@$" else c for c in " ".join(text.split()))
