"""Typed values as the text that reads back as the same value."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from knownat.errors import KnownatError


def as_text(values: pa.Array, column: str, name: str) -> pa.Array:
    """ISO dates, `YYYY-MM-DD HH:MM:SS[.ffffff]` (+00:00 if the type has a zone), true/false, shortest exact numbers.

    KnownatError for a type that has no such text, naming the column and the source called `name`.
    """
    kind = values.type
    if types.is_dictionary(kind):
        return as_text(values.dictionary_decode(), column, name)
    if types.is_timestamp(kind):
        return _timestamps(values, column, name)
    if types.is_date(kind):
        return values.cast(pa.date32()).cast(pa.string())
    if not (_is_text(kind) or types.is_primitive(kind) or types.is_decimal(kind) or types.is_null(kind)) or (
        types.is_temporal(kind)
    ):
        raise KnownatError(f"{name}: column {column!r} is of type {kind}; write it as a text, a number or a time.")
    texts = values.cast(pa.string())
    texts.validate(full=True)
    return texts


def _is_text(kind: pa.DataType) -> bool:
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _timestamps(values: pa.Array, column: str, name: str) -> pa.Array:
    try:
        # a time with a zone becomes the same moment's time in UTC
        moments = values.cast(pa.timestamp("us", values.type.tz)).cast(pa.timestamp("us"))
    except pa.ArrowInvalid as error:
        raise KnownatError(
            f"{name}: column {column!r} has a time that microseconds cannot hold; round it to microseconds."
        ) from error
    texts = pc.replace_substring_regex(moments.cast(pa.string()), r"\.000000$", "")
    return pc.binary_join_element_wise(texts, "+00:00", "") if values.type.tz else texts
