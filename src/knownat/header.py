"""Whether a file has the columns that are declared, by name; their order does not matter."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence

from knownat.errors import KnownatError


def check_header(found: Sequence[str], declared: Collection[str], name: str) -> None:
    """KnownatError unless the columns of the file called `name` are exactly the declared ones, each once."""
    missing = [column for column in declared if column not in found]
    unexpected = [column for column in found if column not in declared]
    if found == unexpected:
        first = found[0] if len(found) == 1 else ", ".join(found[:3])
        problem = f"its first line has none of the declared columns ({first[:80]!r}): it must be a header, with commas"
    else:
        problem = _differences(missing, unexpected, sorted({column for column in found if found.count(column) > 1}))
    if problem:
        raise KnownatError(f"{name}: {problem}; mend the file, or the columns declared in feature_repo/dataset.yaml.")


def _differences(missing: list[str], unexpected: list[str], repeated: list[str]) -> str:
    renamed = _renamed(missing, unexpected)
    lacking = [column for column in missing if column not in renamed]
    additional = [column for column in unexpected if column not in renamed.values()]
    problems = [f"has {new!r} where {old!r} is declared" for old, new in renamed.items()]
    problems += [f"lacks {_quoted(lacking)}"] if lacking else []
    problems += [f"has {_quoted(additional)}, which is not declared"] if additional else []
    problems += [f"has {_quoted(repeated)} more than once"] if repeated else []
    return ", ".join(problems)


def _renamed(missing: list[str], unexpected: list[str]) -> dict[str, str]:
    """Declared name → the name in the file that most likely means the same."""
    if len(missing) == len(unexpected) == 1:
        return {missing[0]: unexpected[0]}
    left = {_plain(column): column for column in unexpected}
    pairs = {}
    for column in missing:
        if close := difflib.get_close_matches(_plain(column), left, n=1, cutoff=0.7):
            pairs[column] = left.pop(close[0])
    return pairs


def _plain(column: str) -> str:
    return column.lower().replace("_", " ").strip()


def _quoted(columns: list[str]) -> str:
    return ", ".join(repr(column) for column in columns)
