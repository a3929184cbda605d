"""The champion: the model that was promoted, named in `champion.json` by the hashes that DVC keeps its files under."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from knownat import paths
from knownat.declaration import Model
from knownat.errors import KnownatError
from knownat.files import read_json, write_text
from knownat.revision import file_hash
from knownat.standing import Standing

FILES = (paths.MODEL, paths.ENCODER)


class Champion(Model):
    """`files`: path → md5, as in dvc.lock; `training_set`: its content's sha256; `unseen_from`: it has learned nothing later."""

    service: str
    files: dict[str, str] = Field(min_length=len(FILES))
    training_set: str
    unseen_from: datetime
    standing: Standing

    @classmethod
    def read(cls, path: Path) -> Champion | None:
        if not path.exists():
            return None
        try:
            return cls.model_validate(read_json(path))
        except (ValueError, ValidationError) as error:
            raise KnownatError(f"{path} is damaged; `git checkout {path}`, or delete it to promote anew.") from error

    def write(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=2) + "\n")

    def fetch(self, folder: Path) -> dict[Path, Path]:
        """The champion's files by the path that each has in a workspace, copied from DVC's cache or the remote."""
        return {path: _fetched(self.files[path.as_posix()], path, folder / path.name) for path in FILES}


def workspace_files() -> dict[str, str]:
    """Path → md5 of the model and the encoder that lie in the workspace."""
    return {path.as_posix(): file_hash(path) for path in FILES}


def _fetched(md5: str, path: Path, target: Path) -> Path:
    """An object of DVC's cache or else the remote, copied; KnownatError where neither has it, or it is damaged."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo(".")
        stores: list[Any] = [repo.cache.local]
        if not stores[0].exists(md5):
            stores = [repo.cloud.get_remote_odb()]
        stores[0].fs.get_file(stores[0].oid_to_path(md5), str(target))
    except (OSError, DvcException) as error:
        raise KnownatError(
            f"The champion's {path} is neither in the cache nor in the remote ({md5}); `dvc push` it from where it was promoted."
        ) from error
    if file_hash(target) != md5:
        raise KnownatError(
            f"The champion's {path} is damaged in the cache or the remote ({md5}); delete the object and `dvc pull` it."
        )
    return target
