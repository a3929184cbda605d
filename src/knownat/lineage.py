"""The lineage id: one hash of a model and of what it was made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from knownat import paths
from knownat.errors import KnownatError
from knownat.loading import read_yaml
from knownat.revision import file_hash

COVERED = (paths.verdict("raw"), paths.verdict("features"), paths.TRAINING_SET, paths.ENCODER, paths.MODEL)
SECTIONS = ("service", "split", "encode", "train")
PARAMS = Path("params.yaml")


def lineage_id(hashes: Mapping[str, str], params: Mapping[str, Any]) -> str:
    """64 hex digits: the sha256 of the md5 of each file of COVERED and of the SECTIONS of params.yaml, as dvc.lock has both.

    It covers all data from the raw rows on (the verdicts hold the hashes of raw rows, tables and views), the training set,
    the encoder, the model, and the parameters that say what the model is. It leaves out what changes none of these bytes:
    code, texts, where and how it was computed (Spark, offline store), how it is judged; and any commit or date.
    """
    content = [{path.as_posix(): hashes[path.as_posix()] for path in COVERED}, {name: params[name] for name in SECTIONS}]
    return sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def workspace_lineage() -> str:
    """The id of the model that lies here, from the bytes of the files alone."""
    missing = [path for path in COVERED if not path.is_file()]
    if missing:
        raise KnownatError(f"{missing[0]} is missing; run `dvc repro` (or `dvc pull`) first.")
    return lineage_id({path.as_posix(): file_hash(path) for path in COVERED}, dict.fromkeys(SECTIONS) | read_yaml(PARAMS))
