"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DRAFT = ".draft."


def draft_of(path: Path) -> Path:
    """A new name beside `path` to write under until all is done.

    It tells whose it is, so that `knownat doctor` can remove what a killed process left; DVC and git ignore it.
    """
    return path.with_name(f"{DRAFT}{os.getpid()}.{uuid.uuid4().hex[:8]}.{path.name}")


def writer_of(draft: Path) -> int | None:
    """The process that writes a draft; None where the name is no draft's."""
    number = draft.name.removeprefix(DRAFT).split(".")[0]
    return int(number) if draft.name.startswith(DRAFT) and number.isdecimal() else None


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        draft.write_text(text, encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Keys keep their order; the same content gives the same bytes."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def replacing(*folders: Path) -> Iterator[tuple[Path, ...]]:
    """Empty folders to fill, which replace those named once all is done; on an error those stay as they were."""
    fresh = tuple(draft_of(folder) for folder in folders)
    try:
        for folder in fresh:
            folder.mkdir(parents=True)
        yield fresh
        for folder, target in zip(fresh, folders, strict=True):
            replace_folder(target, folder)
    finally:
        for folder in fresh:
            shutil.rmtree(folder, ignore_errors=True)


def replace_folder(folder: Path, draft: Path) -> None:
    """Put the new folder in the old one's place, or leave the old one there; it is never half of either."""
    old = draft.with_name(f"{draft.name}.old")
    if folder.exists():
        folder.rename(old)
    try:
        draft.rename(folder)
    except OSError:
        if old.exists():
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
