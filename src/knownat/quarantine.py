"""Quarantine: every row of a table that is not to be used, with its reasons and all of its original text."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from knownat import parquet, paths
from knownat.declaration import Declaration
from knownat.derive.spark import quoted
from knownat.errors import KnownatError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# the original text of a record that could not be split into fields; of any other it is null
RECORD = "record_text"


def write_quarantine(judged: DataFrame, declaration: Declaration, name: str, folder: Path) -> int:
    """Write the judged rows in quarantine and those that could not be parsed, by line; returns how many there are.

    The columns are `line`, `reasons`, `record_text` and the raw columns as texts.
    """
    columns = declaration.tables[name].raw_columns
    texts = [f"`raw_{column}` AS {quoted(column)}" for column in columns]
    bad = judged.where("verdict = 'quarantined'").selectExpr("line", "reasons", f"CAST(NULL AS STRING) AS {RECORD}", *texts)
    rejected = judged.sparkSession.read.parquet(str((paths.REJECTED / f"{name}.parquet").resolve()))
    nothing = [f"CAST(NULL AS STRING) AS {quoted(column)}" for column in columns]
    unparsed = rejected.selectExpr("line", "reason AS reasons", f"text AS {RECORD}", *nothing)
    return parquet.write_spark(bad.union(unparsed), folder, ["line"], 1)


def limit_quarantine(name: str, held: int, read: int, max_share: float) -> None:
    """KnownatError if more than `max_share` of the rows that were read are in quarantine."""
    if held <= max_share * read:
        return
    reasons = parquet.read(paths.QUARANTINE / name, ["reasons"])["reasons"].to_pylist()
    reason, count = min(Counter(text.split("; ")[0] for text in reasons).items(), key=lambda item: (-item[1], item[0]))
    raise KnownatError(
        f"table {name}: {held} of {read} rows ({held / read:.2%}) are in quarantine, and preprocess.quarantine_max_share allows "
        f"{max_share:.2%}; the most frequent reason, '{reason}', has {count}; look at {paths.QUARANTINE / name}, then mend the "
        "source or the declaration, or raise the limit in params.yaml."
    )


def rows_read(name: str) -> int:
    """How many rows of a table were read, parsed or not."""
    return sum(parquet.row_count(folder / f"{name}.parquet") for folder in (paths.RAW, paths.REJECTED))
