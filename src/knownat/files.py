"""Files written whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_json(path: Path, content: Any) -> None:
    """Keys keep their order; the same content gives the same bytes."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


@contextmanager
def replacing(*folders: Path) -> Iterator[tuple[Path, ...]]:
    """Empty folders to fill, which replace those named once all is done; on an error those stay as they were."""
    fresh = tuple(folder.with_name(f".{folder.name}.{os.getpid()}") for folder in folders)
    try:
        for folder in fresh:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield fresh
        for folder, target in zip(fresh, folders, strict=True):
            shutil.rmtree(target, ignore_errors=True)
            os.replace(folder, target)
    finally:
        for folder in fresh:
            shutil.rmtree(folder, ignore_errors=True)
