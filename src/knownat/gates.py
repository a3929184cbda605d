"""Gates: a verdict is the hash of the data that passed, and whoever needs the data asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from knownat import paths
from knownat.errors import KnownatError
from knownat.files import read_json, write_json

GATES = ("raw", "features", "training_set")
Severity = Literal["block", "warn"]


@dataclass(frozen=True)
class Outcome:
    """What one expectation found: `found` is a sentence's worth of evidence; `success` is None where nothing was compared."""

    asset: str
    expectation: str
    column: str | None
    success: bool | None
    reason: str
    found: str
    configuration: dict[str, Any]
    severity: Severity = "block"


def data_of(gate: str, tables: Iterable[str] = ()) -> list[Path]:
    """The files and folders that a gate judges."""
    if gate == "raw":
        return [folder / f"{table}.parquet" for table in tables for folder in (paths.RAW, paths.REJECTED)]
    return [paths.TABLES, paths.VIEWS] if gate == "features" else [paths.TRAINING_SET]


def hashes(data: Iterable[Path]) -> dict[str, str]:
    from knownat.parquet import content_hash

    return {path.as_posix(): tree_hash(path) if path.is_dir() else content_hash(path) for path in data}


def tree_hash(folder: Path) -> str:
    """The content hash of a folder of data sets."""
    import hashlib

    from knownat.parquet import content_hash

    lines = [f"{child.name} {content_hash(child)}\n" for child in sorted(folder.iterdir())]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def require(gate: str, data: Iterable[Path]) -> None:
    """Refuse to go on unless the gate has passed this very data."""
    path = paths.verdict(gate)
    if not path.exists():
        raise KnownatError(f"The gate '{gate}' has not passed: {path} is missing; run `dvc repro validate_{gate}`.")
    try:
        passed = dict(read_json(path)["data"])
    except (ValueError, TypeError, KeyError) as error:
        raise KnownatError(f"{path} is damaged; run `dvc repro -f validate_{gate}`.") from error
    changed = [name for name, found in hashes(data).items() if passed.get(name) != found]
    if changed:
        raise KnownatError(
            f"The gate '{gate}' passed other data than {', '.join(changed)} holds now; run `dvc repro validate_{gate}`."
        )


def conclude(gate: str, judged: dict[str, str], outcomes: list[Outcome], lost: list[str]) -> None:
    """Write the verdict if all that blocks held, and nothing was lost; else say which did not.

    `judged`: the hashes from before the data was read, so that what changes meanwhile has not passed.
    """
    failed = [o for o in outcomes if o.success is False and o.severity == "block"]
    if not outcomes:
        raise KnownatError(f"The gate '{gate}' has no expectation at all; declare constraints or add suites.")
    if lost:
        raise KnownatError(
            f"The gate '{gate}' did not judge all of {', '.join(lost)}: an expectation is lost, or stands twice; "
            f"mend the suite in {paths.EXPECTATIONS / gate}."
        )
    if failed:
        first = failed[0]
        more = f" and {len(failed) - 1} more" if len(failed) > 1 else ""
        where = f"{first.asset}.{first.column}" if first.column else first.asset
        raise KnownatError(
            f"The gate '{gate}' fails: {where}: {first.reason} ({first.found}){more}; "
            f"see {paths.RESULTS / gate / 'result.json'}, then mend the data or the declaration."
        )
    write_json(paths.verdict(gate), {"gate": gate, "data": judged})
