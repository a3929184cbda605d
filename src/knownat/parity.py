"""Parity: for every entity and feature, the online store holds what the offline feature views say was known last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from knownat import paths
from knownat.declaration import Declaration, FeatureView, stored_key
from knownat.errors import KnownatError
from knownat.online import Online, Row

KEYS = 1000  # in a read


@dataclass
class Parity:
    """Values compared of one view: `missing` online, `extra` there, or a `mismatch`; `example` tells of the first."""

    view: str
    entities: int = 0
    values: int = 0
    mismatch: int = 0
    missing: int = 0
    extra: int = 0
    example: str | None = None

    @property
    def holds(self) -> bool:
        return not (self.mismatch or self.missing or self.extra)


def parities(declaration: Declaration, online: Online) -> Iterator[Parity]:
    """Of each feature view in declared order. Raises KnownatError where a view is not on disk."""
    for view in declaration.feature_views.values():
        found = Parity(view.name)
        for keys, rows in _latest(view):
            for key, offline, row in zip(keys, rows, online.read(view, keys), strict=True):
                _compare(found, key, offline, row)
        yield found


def _compare(found: Parity, key: str, offline: dict[str, Any], row: Row) -> None:
    found.entities += 1
    known_at = offline.pop("known_at").astimezone(UTC)
    for name, value in {"known_at": known_at, **offline}.items():
        online = row.known_at if name == "known_at" else row.values.get(name)
        found.values += 1
        if online == value:
            continue
        kind = "missing" if online is None else "extra" if value is None else "mismatch"
        setattr(found, kind, getattr(found, kind) + 1)
        found.example = found.example or f"{found.view}__{name} of {key}: offline {value!r}, online {online!r}"


def _latest(view: FeatureView) -> Iterator[tuple[list[str], list[dict[str, Any]]]]:
    """Each entity's last row, some at a time, in the order of their keys."""
    import duckdb

    folder: Path = paths.VIEWS / view.name
    if not folder.is_dir():
        raise KnownatError(f"{folder} is missing; run `dvc repro` or `dvc pull`.")
    names = [f.name for f in view.features] + [stored_key(entity) for entity in view.keys]
    columns = ", ".join(f'"{name}"' for name in ("known_at", *names))
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        reader = connection.execute(
            f'SELECT "{view.join_key}", {columns} FROM read_parquet(?)'
            f' QUALIFY row_number() OVER (PARTITION BY "{view.join_key}" ORDER BY known_at DESC) = 1 ORDER BY 1',
            [f"{folder}/*.parquet"],
        )
        while rows := reader.fetchmany(KEYS):
            yield [row[0] for row in rows], [dict(zip(("known_at", *names), row[1:], strict=True)) for row in rows]
