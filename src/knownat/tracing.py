"""What a model, or any file of the pipeline, was made from, and which commits hold it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from knownat import paths
from knownat.errors import KnownatError
from knownat.history import Commit, Held, history, is_shallow
from knownat.lock import LOCK, File, Lock, Stage, lineage_in, parse

MODEL = paths.MODEL.as_posix()
ID = re.compile(r"[0-9a-f]{8,64}")


def is_name(what: str) -> bool:
    """Whether a word can only be meant as a model's input: neither a lineage id nor a path."""
    return re.fullmatch(r"\w+", what) is not None and not ID.fullmatch(what) and not Path(what).exists()


@dataclass(frozen=True)
class Trace:
    """`file` as dvc.lock tracks it; `stages` made it or what it is made of, in order; `commits` hold it, oldest first.

    `lineage` is the id of a model, None for another file; `is_here`: whether the dvc.lock of this folder says all this.
    Of several versions of dvc.lock with one id (the code differs, say), the last is told of.
    """

    file: File
    lineage: str | None
    stages: tuple[Stage, ...]
    commits: tuple[Commit, ...]
    is_here: bool

    @property
    def sources(self) -> list[File]:
        """What the stages read that none of them made, without code; the file itself where no stage makes it."""
        made = {file.path for stage in self.stages for file in stage.outputs}
        read = {file.path: file for stage in self.stages for file in stage.inputs}
        found = [file for path, file in read.items() if not any(path == m or m.startswith(f"{path}/") for m in made)]
        return found if self.stages else [self.file]

    def kept(self, stage: Stage) -> list[File]:
        """Of what a stage made, what the way goes on with."""
        wanted = {self.file.path, *(file.path for other in self.stages for file in other.inputs)}
        return [file for file in stage.outputs if any(file.path == w or file.path.startswith(f"{w}/") for w in wanted)]


def trace(what: str | None = None) -> Trace:
    """Of a lineage id (or its first 8 or more digits), a tracked file or folder, or by default the model of this folder.

    Raises KnownatError for an id that no dvc.lock in git gives, a path that none tracks, and where there is no git or lock.
    """
    if what and ID.fullmatch(what):
        return _of_id(what)
    text = workspace_lock()
    lock = parse(text)
    file = _tracked(lock, what or MODEL)
    pattern = re.compile(rf"- path: '?{re.escape(file.path)}'?\n(?:      .*\n)*?      \w+: '?{re.escape(file.hash)}'?\n")
    commits = _in_order([held for held in history() if pattern.search(held.text)])
    return Trace(file, lock.lineage() if file.path == MODEL else None, tuple(lock.way_to(file.path)), commits, is_here=True)


def workspace_lock() -> str:
    try:
        return LOCK.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise KnownatError("There is no dvc.lock here; run this where dvc.yaml lies, after `dvc repro`.") from error


def _of_id(prefix: str) -> Trace:
    here = LOCK.read_text(encoding="utf-8") if LOCK.exists() else ""
    known = [*history(), Held(here, ())]
    found: dict[str, list[Held]] = {}
    for held in known:
        name = lineage_in(held.text)
        if name and name.startswith(prefix):
            found.setdefault(name, []).append(held)
    if not found:
        further = "`git fetch --unshallow`, since this clone is shallow" if is_shallow() else "`git fetch --all --tags`"
        raise KnownatError(f"No dvc.lock in git's history here gives the lineage id {prefix}; check it, or {further}.")
    if len(found) > 1:
        raise KnownatError(f"{prefix} begins {len(found)} lineage ids: {', '.join(sorted(found))}; write more of its digits.")
    [(whole, versions)] = found.items()
    last = versions[-1].text
    lock = parse(last)
    return Trace(lock.outputs[MODEL], whole, tuple(lock.way_to(MODEL)), _in_order(versions), is_here=last == here)


def _in_order(found: Sequence[Held]) -> tuple[Commit, ...]:
    return tuple(sorted((c for held in found for c in held.commits), key=lambda commit: commit.place))


def _tracked(lock: Lock, path: str) -> File:
    """The file, or the tracked folder that it lies in."""
    files, name = lock.files, _relative(path)
    for candidate in (name, *(parent.as_posix() for parent in Path(name).parents)):
        if candidate in files:
            return files[candidate]
    below = [known for known in lock.outputs if known.startswith(f"{name}/")]
    near = below or get_close_matches(name, list(files), cutoff=0.5)
    choice = f"; name one of {', '.join(near[:8])}" if near else "; `dvc dag --outs` lists what is tracked"
    raise KnownatError(f"{path} is no file that dvc.lock names{choice}.")


def _relative(path: str) -> str:
    """As dvc.lock writes it: relative to this folder, without dots; a source elsewhere as it stands."""
    if "://" in path:
        return path
    relative = os.path.relpath(path)  # links stay what they are
    return path if relative.startswith("..") else Path(relative).as_posix()
