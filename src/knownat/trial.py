"""Trying: the same pipeline on a share of the entities, as a temporary experiment that leaves the workspace alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from knownat import paths
from knownat.errors import KnownatError
from knownat.params import Params
from knownat.revision import at

# what a person edits, and may not have added to git yet
EDITED = ("feature_repo", "expectations", "synthetic", "src")


def attempt(params: Params, share: float, overrides: Sequence[str]) -> str:
    """Run `dvc exp run --temp` with `preprocess.subset` at a share; what it prints is passed on. Returns its name.

    Raises KnownatError where it fails; its own words then stand above.
    """
    name = f"try-{uuid.uuid4().hex[:7]}"
    settings = [f"++preprocess.subset={share:g}", *_absolute(params), *overrides]
    command = [sys.executable, "-m", "dvc", "exp", "run", "--temp", "--name", name]
    command += [word for setting in settings for word in ("-S", setting)]
    command += [word for path in _untracked() for word in ("-C", path)]
    if subprocess.run(command, check=False).returncode:
        raise KnownatError("The trial failed, for the reason above; the workspace is as it was.")
    return name


def told(name: str, seconds: float) -> Iterator[str]:
    """What the trial has measured, and what to do with it."""
    with at(name) as experiment:
        scores, rows = (_json(experiment.tree, path) for path in (paths.METRICS, paths.ROWS))
    test = scores["test"]
    kept = ", ".join(f"{table} {account['kept']:,} of {account['read']:,}" for table, account in rows["tables"].items())
    yield f"Rows kept: {kept}; {test['rows']:,} in test. It took {seconds:.0f} s."
    yield (
        f"Test AUC {test['auc']:.3f} ({test['auc_low']:.3f} to {test['auc_high']:.3f}), accuracy {test['accuracy']:.3f},"
        f" log loss {test['log_loss']:.3f}; gradient boosting's AUC {test['peer']['auc']:.3f}."
    )
    yield f"It is the experiment {name}: `dvc exp show` has it beside the others, `dvc exp remove {name}` forgets it."


def trial(params: Params, share: float, overrides: Sequence[str]) -> Iterator[str]:
    """Run one and tell of it, line by line."""
    started = time.monotonic()
    name = attempt(params, share, overrides)
    yield from told(name, time.monotonic() - started)


def _absolute(params: Params) -> list[str]:
    """A local file outside the project is not found from elsewhere by a relative path."""
    found = {table: source.uri for table, source in params.sources.items() if not source.is_remote and source.uri.startswith("..")}
    return [f"sources.{table}.uri={Path(uri).resolve()}" for table, uri in found.items()]


def _untracked() -> list[str]:
    """Files that are new, and that DVC would not take along."""
    command = ["git", "ls-files", "--others", "--exclude-standard", "-z", *(name for name in EDITED if Path(name).exists())]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise KnownatError("This folder is in no git repository; run it in a clone of the project.")
    return [path for path in done.stdout.split("\0") if path]


def _json(tree: Any, path: Path) -> Any:
    with tree.open(f"/{path.as_posix()}", encoding="utf-8") as file:
        return json.load(file)
