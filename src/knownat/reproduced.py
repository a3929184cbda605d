"""Whether the model that lies in the workspace is the one that the pipeline makes."""

from __future__ import annotations

from knownat import paths
from knownat.errors import KnownatError

STAGES = ("retrieve", "encode", "train")


def expect_reproduced() -> None:
    """Refuse a model, encoder or training set that the pipeline would make anew."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    for path in (paths.MODEL, paths.ENCODER, paths.TRAINING_SET):
        if not path.is_file():
            raise KnownatError(f"{path} is missing; run `dvc repro` (or `dvc pull`) first.")
    try:
        with Repo(".") as repo:
            stale = repo.status(targets=list(STAGES))
    except DvcException as error:
        raise KnownatError(f"DVC cannot tell whether the model is what the pipeline makes: {error}") from error
    if stale:
        found = "; ".join(f"{stage}: {', '.join(_changed(changes))}" for stage, changes in sorted(stale.items()))
        raise KnownatError(f"What is here is not what dvc.lock says ({found}); run `dvc repro` first.")


def _changed(changes: list[str | dict[str, dict[str, object]]]) -> list[str]:
    """What a stage's status names: files, sections of params, or the command."""
    found = []
    for change in changes:
        if isinstance(change, str):
            found.append(change)
            continue
        for names in change.values():
            for name, what in names.items():
                found += [f"{name} {key}" for key in what] if isinstance(what, dict) else [name]
    return found
