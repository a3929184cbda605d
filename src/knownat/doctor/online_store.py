"""The embedded online store, which is state: it holds what the offline feature views hold, or is filled anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from knownat import paths
from knownat.declaration import Declaration
from knownat.doctor.findings import Finding


def findings() -> Iterator[Finding]:
    judged = (paths.compiled("report"), paths.TABLES, paths.VIEWS)
    if not (paths.FEATURE_REPO / "feature_store.yaml").exists() or not all(path.exists() for path in judged):
        return  # nothing that it could be behind of: `dvc status` says what is missing
    from knownat.online import embedded_path, is_filled, marker

    path = embedded_path()
    if path is None or not path.exists() or not marker(path).exists():
        return  # a server's, or not filled yet, since `register` leaves an empty one: the first command that reads it fills it
    if fault := damage(path):
        yield Finding(f"The online store {path} cannot be read ({fault}).", "Fill it from the feature views anew.", fill)
    elif not is_filled(Declaration.read(paths.compiled("report")), path):
        yield Finding(f"The online store {path} is behind {paths.VIEWS}.", "Fill it from the feature views anew.", fill)


def damage(path: Path) -> str | None:
    """What SQLite finds wrong with a file of its own; None where that is nothing."""
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            [(found,)] = connection.execute("PRAGMA quick_check(1)").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else " ".join(str(found).split())


def fill() -> None:
    from knownat.online import materialize
    from knownat.params import Params

    materialize(Declaration.read(paths.compiled("report")), Params.load().observed_at)
