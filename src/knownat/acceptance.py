"""Accepting what the gates have passed: `accepted.json`, to which the next data is compared."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from knownat import accepted, gates, paths
from knownat.accepted import Version, identity
from knownat.changes import changes, rows_changed
from knownat.data_sets import data_sets, measured
from knownat.declaration import Declaration
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.loading import read_yaml
from knownat.params import Params
from knownat.report.numbers import count
from knownat.suites import expectations_in

LOCK = Path("dvc.lock")
DECIDING = {"sources", "preprocess", "service"}  # sections of params.yaml that make other data, or another identity


def accept(declaration: Declaration, params: Params) -> Iterator[str]:
    """Write this data's versions, whole or not at all; yields a line for each, with what has changed.

    Raises KnownatError unless every gate has passed this very data, made with these very params.
    """
    for gate in gates.GATES:
        gates.require(gate, gates.data_of(gate, declaration.tables))
    _expect_same_params(Path("params.yaml"))
    before = accepted.read()
    fresh = versions(declaration, params)
    after = before.replaced(suites(), fresh)
    lines = [_line(*where, before.version(*where), version) for where, version in fresh.items()]
    lines += list(_suites_changed(before.suites, after.suites))
    if before != after or not paths.ACCEPTED.exists():
        write_text(paths.ACCEPTED, after.text())
    yield from lines


def versions(declaration: Declaration, params: Params) -> dict[tuple[str, str, str], Version]:
    """The version of each asset of each gate, by gate, asset and identity."""
    return {
        (found.gate, found.name, identity(params, declaration, found.gate, found.name)): (
            measured(found, declaration.outcome.name).version
        )
        for found in data_sets(declaration)
    }


def suites(folder: Path = paths.EXPECTATIONS) -> dict[str, int]:
    """How many expectations each hand-written suite holds, by `<gate>/<asset>.json`."""
    found = {}
    for path in sorted(folder.glob("*/*.json")):
        found[path.relative_to(folder).as_posix()] = len(list(expectations_in(path)))
    return found


def _expect_same_params(path: Path) -> None:
    """Refuse where DVC has made the data with other params than those that now say what it is."""
    if not LOCK.exists():
        return
    now = read_yaml(path)
    for name, stage in read_yaml(LOCK).get("stages", {}).items():
        for key, value in stage.get("params", {}).get(path.name, {}).items():
            if key.split(".")[0] in DECIDING and _looked_up(now, key) != value:
                raise KnownatError(f"{path}: {key} is not what stage '{name}' has run with; run `dvc repro` first.")


def _looked_up(content: Any, key: str) -> Any:
    for part in key.split("."):
        content = content.get(part) if isinstance(content, dict) else None
    return content


def _line(gate: str, asset: str, source: str, old: Version | None, new: Version) -> str:
    name = f"{gate}/{asset}"
    if old is None:
        return f"{name}: {count(new.rows)} rows, the first accepted version of {source}."
    if old == new:
        return f"{name}: {count(new.rows)} rows, as accepted before."
    found = changes(old, new)
    most = f"; {count(len(found))} of {count(len(new.columns))} columns changed, most {found[0].column} ({found[0].words})"
    return f"{name}: {rows_changed(old, new)}{most if found else '; other content, the same by its columns'}."


def _suites_changed(old: dict[str, int], new: dict[str, int]) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            was, now = (f"{n} expectations" if n is not None else "none" for n in (old.get(name), new.get(name)))
            yield f"{paths.EXPECTATIONS.name}/{name}: {was} before, {now} now."
