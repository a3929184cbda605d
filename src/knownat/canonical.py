"""A `.keras` file whose bytes depend on the model alone: not on the clock, the process or the order of writing."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knownat.files import draft_of

if TYPE_CHECKING:
    import keras

EPOCH = (1980, 1, 1, 0, 0, 0)


def save(model: keras.Model, path: Path) -> None:
    """Write whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = draft_of(path)
    try:
        model.save(draft)
        content = canonical(draft.read_bytes())
        draft.write_bytes(content)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def canonical(content: bytes) -> bytes:
    """The same archive with its members sorted, stored, undated, and its JSON without dates and addresses."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as new:
        for name in sorted(old.namelist()):
            member = old.read(name)
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o644 << 16
            new.writestr(info, _plain(json.loads(member)) if name.endswith(".json") else member)
    return result.getvalue()


def _plain(content: dict[str, Any]) -> str:
    content.pop("date_saved", None)
    return json.dumps(_renumbered(content, {}))


def _renumbered(value: Any, numbers: dict[int, int]) -> Any:
    """Keras names an object that occurs twice by its address; here by the order in which they occur."""
    if isinstance(value, list):
        return [_renumbered(item, numbers) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: numbers.setdefault(item, len(numbers)) if key == "shared_object_id" else _renumbered(item, numbers)
        for key, item in value.items()
    }
