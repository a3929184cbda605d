"""Whether a file has the columns that are declared, by name; their order does not matter."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Sequence

from knownat.csv_records import Record
from knownat.errors import KnownatError

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}
# what a server sends, or an editor saves, instead of a table: how it starts, what it is, what to do
OTHERS = {
    rb"\xff\xfe|\xfe\xff|(.\x00){2}|(\x00.){2}": ("UTF-16", "save it as UTF-8"),
    rb"\s*<(!doctype|html|head|body)": ("an HTML page, as a server sends instead of a file", "fetch the file itself"),
    rb"\s*<": ("XML", "save the table as CSV"),
    rb"\s*[{\[]": ("JSON, as a server sends instead of a file", "fetch the file itself, or save it as CSV"),
}


def check_first_record(header: Record, declared: Collection[str], name: str) -> None:
    """KnownatError unless the first record of the CSV called `name` is a header with exactly the declared columns."""
    if not set(header.fields) & set(declared):
        for start, (kind, remedy) in OTHERS.items():
            if re.match(start, header.raw, re.IGNORECASE | re.DOTALL):
                raise KnownatError(f"{name} is {kind}; {remedy}.")
        for separator, plural in SEPARATORS.items():
            if set(header.text.replace('"', "").split(separator)) & set(declared):
                raise KnownatError(f"{name} is separated by {plural}; save it with commas.")
    if header.reason:
        raise KnownatError(f"{name} is neither CSV in UTF-8 nor Parquet (its first line: {header.reason}); save it as one of them.")
    check_header(header.fields, declared, name)


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
