"""The sentences in which a part of a declaration is refused; each starts with `where`: the file and the key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from knownat.ancestry import columns_under
from knownat.declaration import Declaration, Table
from knownat.errors import KnownatError
from knownat.expressions import LONGEST_QUOTE, Expression, Refused, compile_expression
from knownat.known_times import dtypes, known_at

# what the pipeline's own columns are called
RESERVED = {
    "known_at", "event_timestamp", "label_known_at", "line", "split", "reasons", "verdict",
    "is_copy", "differs", "is_readable", "record_text",
}  # fmt: skip


def expect(holds: bool, sentence: str) -> None:
    if not holds:
        raise KnownatError(sentence)


def expect_none(odd: Iterable[str], sentence: str) -> None:
    """Refuse with `sentence`, in which {0} stands for the odd ones."""
    found = list(odd)
    expect(not found, sentence.replace("{0}", listed(found)))


def expect_once(names: Iterable[str], where: str) -> None:
    given = list(names)
    expect_none(dict.fromkeys(n for n in given if given.count(n) > 1), f"{where} names {{0}} twice; drop one.")


def expect_free(where: str, name: str) -> None:
    expect(name not in RESERVED, f"{where}: '{name}' is a name knownat uses itself; choose another.")


def expect_timestamp(where: str, column: str, table: Table) -> None:
    found = table.columns.get(column)
    expect(found is not None, f"{where}: '{column}' is no column of the table; name one of its timestamp columns.")
    expect(found is not None and found.dtype == "timestamp", f"{where}: '{column}' is no timestamp; declare it as one.")


def expect_known(where: str, read: Expression, declared: Declaration, table: Table, by: str | None = None) -> None:
    """Refuse an expression that reads what is known later than the row's start, or than the moment `by`."""
    moment = by or table.known_at
    for column in read.columns:
        under = {c: path for c, path in columns_under(declared, table, column).items() if known_at(declared, table, c) - {moment}}
        late = listed(sorted(known_at(declared, table, column) - {moment}))
        beyond = "".join(f" ← {c}" for c in list(under.values())[-1][1:]) if under else ""
        expect(
            not late,
            f"{where} reads '{column}'{beyond}, which is known at {late}, later than {moment}; "
            f"know it from then on (known_at: {late}) or leave the column out.",
        )


def compiled(where: str, text: str, columns: Mapping[str, str], dtype: str | None = None) -> Expression:
    try:
        return compile_expression(text, columns, dtype)
    except Refused as refused:
        raise KnownatError(" ".join(f"{where}: '{_shortened(text)}' {refused}.".split())) from refused


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"


def entity_of(where: str, entity: str, declared: Declaration, table: Table, dataset: object) -> None:
    """Refuse an entity that a table cannot tell from a row's start."""
    text = declared.entities.get(entity)
    if text is None:
        raise KnownatError(f"{where}: there is no entity '{entity}'; declare it under entities in {dataset}.")
    expression = compiled(f"{dataset}: entities.{entity}", text, dtypes(table), "string")
    expect_known(f"{where}: entity '{entity}'", expression, declared, table)


def listed(names: Iterable[object]) -> str:
    return ", ".join(map(str, names))
