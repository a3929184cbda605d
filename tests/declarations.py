"""Copies of the declarations in this repository, to be changed by a small edit of their text."""

from __future__ import annotations

import shutil
from pathlib import Path

from knownat.checks import check
from knownat.declaration import Declaration
from knownat.loading import load_declaration

ROOT = Path(__file__).parent.parent
CAMPAIGNS = ROOT / "feature_repo"
DELIVERIES = ROOT / "tests/pipeline/deliveries/feature_repo"  # two tables, and a view with SQL


def copied(source: Path, folder: Path) -> Path:
    """The YAML and SQL of a declaration in a folder of its own."""
    for path in [*source.glob("*.yaml"), *source.glob("views/*")]:
        target = folder / "feature_repo" / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder / "feature_repo"


def edited(folder: Path, file: str, old: str, new: str) -> Path:
    """The folder, with one text in one of its files replaced; an empty `old` adds at the end or makes the file."""
    path = folder / file
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    assert old in text, f"{file} has no {old!r}"
    path.write_text(text.replace(old, new, 1) if old else text + new, encoding="utf-8")
    return folder


def loaded(folder: Path) -> Declaration:
    declaration = load_declaration(folder)
    check(declaration, folder)
    return declaration
