"""The data sets of the workspace beside those of a git revision: what there is to compare, and by which key."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from knownat import paths
from knownat.declaration import Declaration, join_key
from knownat.difference import Difference, compare
from knownat.errors import KnownatError
from knownat.revision import Revision, at, workspace_hashes

TRAINING_SET = paths.TRAINING_SET.stem


def keys(declaration: Declaration) -> dict[Path, list[str]]:
    """The path of each table, feature view and the training set, with the key of its rows."""
    tables = {paths.TABLES / name: table.key for name, table in declaration.tables.items()}
    views = {paths.VIEWS / view.name: [view.join_key, "known_at"] for view in declaration.feature_views.values()}
    return tables | views | {paths.TRAINING_SET: [join_key(declaration.event.entity), "event_timestamp"]}


def differences(declaration: Declaration, name: str, wanted: Sequence[str] = ()) -> list[Difference]:
    """How the workspace differs from a revision, data set by data set; `wanted` names some of them, by default all.

    Data is fetched only where the files themselves differ.
    """
    with at(name) as revision, tempfile.TemporaryDirectory(prefix="knownat-diff-") as folder:
        known = keys(declaration)
        gone = {root / child for root in (paths.TABLES, paths.VIEWS) for child in revision.folders(root)} - set(known)
        found = _chosen([*known, *sorted(gone)], wanted)
        return [_difference(revision, path, known, Path(folder)) for path in found]


def _chosen(found: Sequence[Path], wanted: Sequence[str]) -> list[Path]:
    names = {path: (path.stem, shown(path)) for path in found}
    unknown = [name for name in wanted if not any(name in given for given in names.values())]
    if unknown:
        raise KnownatError(f"--table: there is no '{unknown[0]}'; choose of {', '.join(map(shown, found))}.")
    return [path for path in found if not wanted or set(wanted) & set(names[path])]


def shown(path: Path) -> str:
    """data/views/history → views/history; data/training_set.parquet → training_set"""
    return path.relative_to("data").with_suffix("").as_posix()


def _difference(revision: Revision, path: Path, known: Mapping[Path, list[str]], folder: Path) -> Difference:
    before, after, key = revision.hashes(path), workspace_hashes(path), known.get(path, [])
    if not after and path in known:
        raise KnownatError(f"{path} is missing from the workspace; run `dvc repro` or `dvc pull {_tracked(path)}`.")
    if before == after:
        return Difference(shown(path), tuple(key), _rows(path), _rows(path))
    if not before:
        return Difference(shown(path), tuple(key), None, _rows(path), None, None, None, note="the revision has no such data")
    fetched = revision.fetch(path, folder)
    if path not in known:
        return Difference(shown(path), (), _rows(fetched), None, None, None, None, note="the declaration no longer has it")
    from knownat.parquet import part_files

    return compare(shown(path), key, part_files(fetched), part_files(path), folder / "spilled")


def _tracked(path: Path) -> Path:
    return path if path == paths.TRAINING_SET else path.parent


def _rows(path: Path) -> int:
    from knownat.parquet import row_count

    return row_count(path)
