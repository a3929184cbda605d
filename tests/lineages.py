"""A `dvc.lock` as DVC writes it, and git histories of it."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from tests.projects import GIT

CODE = "src/knownat/paths.py"


def md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def lock(raw: str = "raw", rate: str = "0.003", code: str = "code", model: str = "") -> str:
    """A pipeline from one source to a model; whatever follows from a text has another hash with another text."""
    table, found = md5(raw), md5(f"{raw} {rate} {model}")
    stages = {
        "ingest@orders": (["shop.csv", CODE], {"sources.orders": "{uri: shop.csv, observed_at: '2020-01-01'}"}, ["data/raw/orders.parquet"]),
        "validate_raw": (["data/raw", "expectations"], {}, ["data/verdicts/raw.json"]),
        "preprocess": (["data/raw", "data/verdicts/raw.json"], {"preprocess": "{filters: []}"}, ["data/tables", "data/views"]),
        "validate_features": (["data/tables", "data/views"], {}, ["data/verdicts/features.json"]),
        "retrieve": (
            ["data/tables", "data/views", "data/verdicts/features.json"],
            {"service": "early", "split": "{test_from: '2019-09-01'}"},
            ["data/training_set.parquet"],
        ),
        "encode": (["data/training_set.parquet"], {"encode": "{basket__price: log}"}, ["data/encoded.parquet", "models/encoder.json"]),
        "train": (["data/encoded.parquet", "models/encoder.json"], {"train": f"{{learning_rate: {rate}}}"}, ["models/model.keras"]),
        "report": (["models/model.keras"], {}, ["report"]),
    }  # fmt: skip
    special = {
        "shop.csv": md5(raw + "\n"),
        "expectations": md5("suites") + ".dir",
        CODE: md5(code),
        "models/model.keras": found,
        "report": found,
    }
    lines = ["schema: '2.0'", "stages:"]
    for name, (deps, params, outs) in stages.items():
        lines += [f"  {name}:", f"    cmd: python -m knownat.stages.{name}"]
        for kind, files in (("deps", deps), ("outs", outs)):
            if kind == "outs" and params:
                lines += ["    params:", "      params.yaml:", *(f"        {key}: {value}" for key, value in params.items())]
            lines.append(f"    {kind}:")
            for path in files:
                folder = ".dir" if path in {"data/raw", "data/tables", "data/views"} else ""
                hashed = special.get(path, f"{md5(table + path)}{folder}")
                lines += [f"    - path: {path}", "      hash: md5", f"      md5: {hashed}", "      size: 7"]
    return "\n".join(lines) + "\n"


def repository(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main", ".")


def committed(folder: Path, subject: str, text: str | None = None) -> str:
    """The id of a new commit, with another dvc.lock where there is a text."""
    if text is not None:
        (folder / "dvc.lock").write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", subject)
    return git(folder, "rev-parse", "HEAD").strip()


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True, text=True).stdout
