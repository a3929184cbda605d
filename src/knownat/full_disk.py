"""A disk that is full, told in one sentence wherever it was noticed: in Python, Arrow, DuckDB or Spark's JVM."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

CAUSES = {
    errno.ENOSPC: "No space is left on the disk of {folder}",
    errno.EDQUOT: "Your quota on the disk of {folder} is used up",
    errno.EFBIG: "A file in {folder} grows beyond what this process may write (`ulimit -f`)",
}


def told(error: BaseException) -> str | None:
    """The sentence, with the folder; None where the error is of another kind."""
    for found in _chain(error):
        for number, cause in CAUSES.items():
            if getattr(found, "errno", None) == number or os.strerror(number) in str(found):
                sentence = cause.format(folder=_folder(found))
                return f"{sentence}: make room and run `dvc repro` again; nothing half-written was left."
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    following: BaseException | None = error
    while following is not None:
        yield following
        following = following.__cause__ or following.__context__


def _folder(error: BaseException) -> Path:
    """The folder that the error names, else of those that a stage writes to the one with the least room."""
    name = getattr(error, "filename", None)
    if isinstance(name, str | os.PathLike):
        return Path(os.path.abspath(name)).parent
    here = [Path.cwd(), *sorted(child for child in Path.cwd().iterdir() if child.is_dir())]
    return min([*here, Path(tempfile.gettempdir())], key=lambda folder: shutil.disk_usage(folder).free)
