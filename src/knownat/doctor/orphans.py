"""Stages that DVC started in this folder, and that go on though it was killed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil

from knownat import running
from knownat.doctor.findings import Finding

STAGES = "knownat.stages."


def findings() -> Iterator[Finding]:
    for process in stages_here():
        try:
            if running.STARTED_BY_DVC not in process.environ() or running.dvc_of(process) is not None:
                continue
            name = " ".join(word.removeprefix(STAGES) for word in process.cmdline()[2:])
        except psutil.Error:
            continue  # it has ended meanwhile, or is somebody else's
        yield Finding(
            f"The stage {name} still runs as process {process.pid}, though the DVC that started it is gone.",
            f"End process {process.pid} and what it has started.",
            partial(running.end, process),
        )


def stages_here() -> Iterator[psutil.Process]:
    """The living processes of this user that run a stage with this checkout as their folder."""
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if "-m" in words[:-1] and words[words.index("-m") + 1].startswith(STAGES) and Path(process.cwd()) == Path.cwd():
                yield process
        except (psutil.Error, OSError):
            continue
