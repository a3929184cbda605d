"""dvc.yaml: each stage depends on all the code it runs; dvc.lock: DVC writes it in place, so that a kill can tear it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from knownat.doctor.findings import Finding
from knownat.doctor.locks import dvc_here
from knownat.errors import KnownatError
from knownat.files import draft_of
from knownat.import_closure import needed
from knownat.loading import read_yaml

PIPELINE, LOCK = Path("dvc.yaml"), Path("dvc.lock")
TORN = Path(".dvc/tmp/dvc.lock.torn")


def findings() -> Iterator[Finding]:
    yield from _unnamed()
    if LOCK.exists() and not is_whole():
        committed = _committed()
        problem = f"{LOCK} is torn, as a killed DVC leaves it, and stops every DVC command."
        if committed is None:
            yield Finding(problem, f"Delete {LOCK} and run `dvc repro`; git has none, and the run cache still knows the stages.")
        else:
            remedy = f"Take the committed one and keep the torn one as {TORN}; `dvc repro` then finds later runs in its run cache."
            yield Finding(problem, remedy, partial(restore, committed))


def _unnamed() -> Iterator[Finding]:
    """Files that a stage runs and DVC does not know of: editing one would leave the stage's outputs as they are."""
    if not Path("src/knownat").is_dir():
        return  # the package is installed from elsewhere: no project depends on its files
    for name, given in read_yaml(PIPELINE).get("stages", {}).items():
        stage: dict[str, Any] = given.get("do", given)
        if "-m knownat." not in str(stage.get("cmd")):
            continue
        for file in sorted(needed(str(stage["cmd"]), Path()) - set(stage.get("deps", []))):
            problem = (
                f"{PIPELINE}: the stage {name} runs {file} and does not depend on it, so that an edit there does not rerun it."
            )
            yield Finding(problem, f"Add {file} to the stage's deps.")


def is_whole() -> bool:
    """Whether dvc.lock is what DVC could have finished writing: YAML with its two keys, and a command in each stage."""
    try:
        lock = read_yaml(LOCK)
        return bool(lock["schema"]) and all("cmd" in dict(stage) for stage in lock.get("stages", {}).values())
    except (KnownatError, KeyError, TypeError, ValueError, AttributeError):
        return False


def restore(committed: bytes) -> None:
    """Put the committed lock in the torn one's place, which is kept aside."""
    if living := dvc_here():
        raise KnownatError(f"Process {living[0]} runs DVC here and may be writing {LOCK}; let it end first.")
    TORN.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(LOCK, TORN)
    draft = draft_of(LOCK)
    draft.write_bytes(committed)
    os.replace(draft, LOCK)


def _committed() -> bytes | None:
    done = subprocess.run(["git", "show", f"HEAD:./{LOCK}"], capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None
