"""What a retrieval asks of one feature view, checked against where its values are stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from feast import FeatureView, FileSource
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.repo_config import RepoConfig
from feast.types import from_feast_to_pyarrow_type

from knownat.errors import KnownatError

PATTERN = "*?[]{}"  # what the engines expand in a path


@dataclass(frozen=True)
class Lookup:
    """One view's part of a retrieval.

    `keys`: the entities' column → the stored one. `features`: output column → the stored one. `types`: output column →
    the declared type. `ttl`: how long a value counts after its own time, inclusively; none: until the next.
    """

    view: str
    source: DataSource
    keys: dict[str, str]
    known_at: str
    created_at: str | None
    features: dict[str, str]
    types: dict[str, pa.DataType]
    ttl: timedelta | None

    @property
    def stored(self) -> list[str]:
        """Every stored column that is read, once each."""
        times = [self.known_at, *([self.created_at] if self.created_at else [])]
        return list(dict.fromkeys([*self.keys.values(), *times, *self.features.values()]))


def lookups(views: list[FeatureView], feature_refs: list[str], full_feature_names: bool, taken: Iterable[str]) -> list[Lookup]:
    """What each view is asked for, in the views' order; `taken` are the names of the entities' own columns.

    Raises KnownatError for a feature that is asked for twice, under one name, or that no view has.
    """
    named = list(taken)
    found = []
    for view in views:
        asked = [name for prefix, name in (ref.split(":", 1) for ref in feature_refs) if prefix == view.projection.name_to_use()]
        lookup = _lookup(view, asked, full_feature_names)
        named += lookup.features
        found.append(lookup)
        if len(lookup.features) < len(asked):
            raise KnownatError(f"A feature of {lookup.view} is asked for twice ({', '.join(asked)}); ask for each once.")
    folded = [name.casefold() for name in named]  # neither engine tells upper case from lower
    twice = sorted({name for name in named if folded.count(name.casefold()) > 1})
    if twice:
        raise KnownatError(
            f"{', '.join(twice)} would stand for two columns; ask for each feature once, with full_feature_names=True, "
            "and give the entities' columns other names."
        )
    return [lookup for lookup in found if lookup.features]


def _lookup(view: FeatureView, asked: list[str], full_feature_names: bool) -> Lookup:
    source = view.batch_source
    if source is None or not source.timestamp_field:
        raise KnownatError(f"Feature view {view.name} has no source with a timestamp_field; give it one.")
    stored = {new: old for old, new in source.field_mapping.items()}
    declared = {f.name: f for f in view.projection.features}
    prefix = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    unknown = [name for name in asked if name not in declared]
    if unknown:
        raise KnownatError(f"Feature view {view.name} has no feature {', '.join(unknown)}; it has {', '.join(declared)}.")
    keys = {view.projection.join_key_map.get(k, k): stored.get(k, k) for k in view.join_keys if k != DUMMY_ENTITY_ID}
    return Lookup(
        view=view.name,
        source=source,
        keys=keys,
        known_at=stored.get(source.timestamp_field, source.timestamp_field),
        created_at=stored.get(source.created_timestamp_column or "", source.created_timestamp_column) or None,
        features={f"{prefix}{name}": stored.get(name, name) for name in asked},
        types={f"{prefix}{name}": from_feast_to_pyarrow_type(declared[name].dtype) for name in asked},
        ttl=view.ttl or None,  # Feast's own "no ttl" is zero
    )


def dataset_of(config: RepoConfig, lookup: Lookup) -> ds.Dataset:
    """The Parquet of a view, a file or a folder; KnownatError where there is none, or nothing in it."""
    path = located(config, lookup.source).path
    filesystem, place = FileSource.create_filesystem_and_path(path, lookup.source.s3_endpoint_override)
    try:
        data = ds.dataset(place, format="parquet", filesystem=filesystem, partitioning="hive")
        rows = data.count_rows()
        _refuse_unlike_parts(lookup, data)
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise KnownatError(
            f"Feature view {lookup.view}: no Parquet can be read at {path}; run the stage that writes it."
        ) from error
    if not rows:
        raise KnownatError(f"Feature view {lookup.view}: {path} holds no rows; run the stage that writes it.")
    return data


def _refuse_unlike_parts(lookup: Lookup, data: ds.Dataset) -> None:
    """Refuse parts that store a column otherwise than the first: an engine would convert, or lose, it silently."""
    parts = list(data.get_fragments())
    for part in parts[1:]:
        own, stored = parts[0].physical_schema, part.physical_schema
        for name in (n for n in lookup.stored if n in own.names or n in stored.names):
            found = [schema.field(name).type if name in schema.names else None for schema in (own, stored)]
            if found[0] != found[1]:
                raise KnownatError(
                    f"Feature view {lookup.view}: {name} is stored as {found[1] or 'nothing'} in {part.path}, but as "
                    f"{found[0] or 'nothing'} in {parts[0].path}; store all parts alike."
                )


def located(config: RepoConfig, source: DataSource) -> FileSource:
    """The source by its path from here: Feast's store would look for a relative one in the working directory."""
    if not isinstance(source, FileSource):
        raise KnownatError(f"Data source {source.name} is a {type(source).__name__}; this offline store reads a FileSource.")
    if not isinstance(source.file_format, ParquetFormat | None):
        raise KnownatError(f"Data source {source.name} is no Parquet ({type(source.file_format).__name__}); store it as Parquet.")
    odd = sorted(set(source.path) & set(PATTERN))
    if odd:
        raise KnownatError(
            f"Data source {source.name}: {' '.join(odd)} in {source.path} reads as a pattern; name the path without."
        )
    return FileSource(
        name=source.name,
        path=FileSource.get_uri_for_file_path(config.repo_path, source.path),
        file_format=source.file_format,
        timestamp_field=source.timestamp_field,
        created_timestamp_column=source.created_timestamp_column,
        field_mapping=source.field_mapping,
        s3_endpoint_override=source.s3_endpoint_override,
    )


def check_stored(lookup: Lookup, stored: pa.Schema, spine: pa.Schema) -> None:
    """Refuse a view whose columns are missing, not of their declared type, not comparable with the spine's, or naive."""
    alike = [n for n in lookup.stored for other in stored.names if other != n and other.casefold() == n.casefold()]
    if alike:
        raise KnownatError(f"Feature view {lookup.view}: its source has {', '.join(alike)} in upper and in lower case; rename one.")
    missing = [name for name in lookup.stored if name not in stored.names]
    if missing:
        raise KnownatError(
            f"Feature view {lookup.view}: its source has no column {', '.join(missing)}; store it, or mend the view."
        )
    for column in (lookup.known_at, lookup.created_at):
        if column is not None:
            check_moment(f"Feature view {lookup.view}: {column}", stored.field(column).type)
    for ours, theirs in lookup.keys.items():
        if _key_kind(spine.field(ours).type) not in {_key_kind(stored.field(theirs).type), "null"}:
            raise KnownatError(
                f"Feature view {lookup.view}: {theirs} is stored as {stored.field(theirs).type}, but the entities' {ours} is "
                f"{spine.field(ours).type}; make them the same type (whole numbers beside nulls: pandas' Int64)."
            )
    for name, column in lookup.features.items():
        declared, found = lookup.types[name], stored.field(column).type
        if not _holds(declared, found):
            raise KnownatError(
                f"Feature view {lookup.view}: {column} is declared {declared} but stored as {found}, which it cannot "
                "hold; change the declared dtype or what is stored."
            )


def check_moment(what: str, kind: pa.DataType) -> None:
    if not pa.types.is_timestamp(kind):
        raise KnownatError(f"{what} is {kind}, not a time; make it a timestamp with a time zone.")
    if kind.tz is None:
        raise KnownatError(f"{what} has no time zone, so it could be any; make it UTC.")


def _kind(kind: pa.DataType) -> str:
    """Types that compare with one another have one kind."""
    if pa.types.is_dictionary(kind):
        return _kind(kind.value_type)
    kinds = {
        "number": (pa.types.is_integer, pa.types.is_floating),
        "text": (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
        "bytes": (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary),
        "time": (pa.types.is_timestamp,),
        "list": (pa.types.is_list, pa.types.is_large_list),
    }
    return next((name for name, tests in kinds.items() if any(test(kind) for test in tests)), str(kind))


def _key_kind(kind: pa.DataType) -> str:
    """Whole and real numbers apart: a large whole number would be another's after rounding."""
    return "real" if pa.types.is_floating(kind) else _kind(kind)


def _holds(declared: pa.DataType, stored: pa.DataType) -> bool:
    """Whether the declared type holds each value of the stored one; a real number may lose digits, as was declared."""
    kind = _kind(declared)
    if kind != _kind(stored):
        return False
    if kind == "list":
        return _holds(declared.value_type, stored.value_type)
    if kind == "number" and pa.types.is_integer(stored):
        return _bits(stored) <= _bits(declared) and (_is_signed(declared) or not _is_signed(stored))
    return kind != "number" or bool(pa.types.is_floating(declared))


def _bits(kind: pa.DataType) -> int:
    """How many bits of a whole number the type holds exactly, beside the sign."""
    return {"halffloat": 11, "float": 24, "double": 53}.get(str(kind)) or int(kind.bit_width - _is_signed(kind))


def _is_signed(kind: pa.DataType) -> bool:
    return not pa.types.is_unsigned_integer(kind)


def exact(column: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray:
    """The column as the type; a time finer than it is rounded down."""
    if pa.types.is_timestamp(kind) and column.type.unit == "ns" and kind.unit != "ns":
        column = pc.floor_temporal(column.cast(pa.timestamp("ns", tz=column.type.tz and "UTC")), unit="microsecond")
    return column.cast(kind)


def micros(length: timedelta) -> int:
    return length // timedelta(microseconds=1)


def ambiguous(lookup: Lookup, example: str) -> str:
    remedy = "store one of them" if lookup.created_at else "store one of them, or declare a created_timestamp_column"
    return f"Feature view {lookup.view} has different values for one entity and moment ({example}); {remedy}."
