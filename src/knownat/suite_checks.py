"""What a written suite may not hold, since an expectation would be lost or would hold of any data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from knownat.errors import KnownatError

BOUNDS = {"min_value", "max_value", "quantile_ranges"}
# what Great Expectations takes among the kwargs, and has its place elsewhere or is not the suite's to say
NOT_ASKED = {
    "meta", "severity", "id", "notes", "description",
    "batch_id", "result_format", "catch_exceptions", "rendered_content", "windows",
}  # fmt: skip


def read_strictly(path: Path) -> Any:
    """What a file of JSON holds; ValueError for a key that stands twice, and for NaN and Infinity."""
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once, parse_constant=_refuse_constant)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object of JSON; ValueError for a key that stands twice, of which the first would be lost."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def check_kwargs(path: Path, kind: str, kwargs: dict[str, Any]) -> None:
    """Refuse what would make an expectation hold of any data: no bound, nothing in a list, a share of nothing."""
    if own := sorted(set(kwargs) & NOT_ASKED):
        raise KnownatError(f"{path}: {kind} has {', '.join(own)} among its kwargs; leave that to the gate.")
    for name, value in kwargs.items():
        if value == "" or _says_nothing(value):
            raise KnownatError(f"{path}: {kind}: {name} says nothing; give it a value or leave it out.")
    mostly = kwargs.get("mostly", 1)
    if isinstance(mostly, bool) or not isinstance(mostly, int | float) or not 0 < mostly <= 1:
        raise KnownatError(f"{path}: {kind}: mostly is {mostly!r}; write a number above 0, and at most 1.")
    if kind.endswith("_to_be_between") and not set(kwargs) & BOUNDS:
        raise KnownatError(f"{path}: {kind} has no bound, and would always hold; give it one of {', '.join(sorted(BOUNDS))}.")


def _says_nothing(value: Any) -> bool:
    """Null, a list or object of nothing, or one with such a part."""
    if isinstance(value, dict):
        return not value or any(map(_says_nothing, value.values()))
    if isinstance(value, list):
        return all(item is None for item in value) or any(_says_nothing(item) for item in value if item is not None)
    return value is None
