"""From a table's source to all-text Parquet with line numbers; records that cannot be parsed are kept apart."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from knownat import paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration
from knownat.download import shown
from knownat.errors import KnownatError
from knownat.files import draft_of
from knownat.params import Params, Source
from knownat.parquet import PartWriter, content_hash
from knownat.raw_rows import REJECTED, batches, parsed_schema
from knownat.sources import fetch


def main(table: str) -> Counts:
    columns, source = _declared(table)
    paths.RAW.mkdir(parents=True, exist_ok=True)
    # beside the outputs, since the system's own temporary folder may be too small for a large source
    with tempfile.TemporaryDirectory(prefix=draft_of(paths.RAW / table).name, dir=paths.RAW) as folder:
        path = fetch(source, table, Path(folder))
        read, parsed, rejected = _convert(path, columns, shown(source.uri), table)
        return {"table": table, "read": read, "parsed": parsed, "rejected": rejected, "sha256": content_hash(path)}


def _declared(table: str) -> tuple[dict[str, str], Source]:
    """The table's columns (declared name → name in the file) and its source, if both are there for every table."""
    tables = Declaration.read(paths.compiled("ingest")).tables
    params = Params.load()
    if table not in tables:
        raise KnownatError(
            f"params.yaml: sources.{table}: there is no table '{table}' in feature_repo/dataset.yaml; "
            f"declare it there or remove the source (declared: {', '.join(tables)})."
        )
    for name in tables:
        params.source(name)
    return tables[table].raw_columns, params.source(table)


def _convert(path: Path, columns: dict[str, str], name: str, table: str) -> tuple[int, int, int]:
    """Write both files, or neither; returns how many records were read, parsed and rejected."""
    read, first = 0, REJECTED.empty_table()
    with (
        PartWriter(paths.REJECTED / f"{table}.parquet", REJECTED) as rejected,
        PartWriter(paths.RAW / f"{table}.parquet", parsed_schema(columns)) as parsed,
    ):
        for batch in batches(path, columns, name):
            read += batch.read
            first = first if first.num_rows else batch.rejected.slice(0, 1)
            parsed.add(batch.parsed)
            rejected.add(batch.rejected)
        if not read:
            raise KnownatError(f"{name} has a header and no rows; sources.{table}.uri must name a table with rows.")
        if not parsed.rows:
            worst = first.to_pylist()[0]
            raise KnownatError(
                f"{name}: none of its {read} rows can be parsed (line {worst['line']}: {worst['reason']}); mend the file, or set "
                f"sources.{table}.uri to another."
            )
        if read != parsed.rows + rejected.rows:
            raise KnownatError(f"{name}: {read} records read, {parsed.rows} parsed and {rejected.rows} rejected; report it.")
    return read, parsed.rows, rejected.rows


if __name__ == "__main__":
    run_stage("ingest", main, *sys.argv[1:])
