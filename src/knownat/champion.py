"""The champion: the model that was promoted, named in `champion.json` by the hashes that DVC keeps its files under."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, Field, ValidationError

from knownat import paths
from knownat.declaration import Model
from knownat.errors import KnownatError
from knownat.files import write_text
from knownat.objects import problem
from knownat.revision import file_hash
from knownat.standing import Standing

Md5 = Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
Lineage = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Files(Model):
    """The md5 of each, as in dvc.lock."""

    model: Md5
    encoder: Md5


class Champion(Model):
    """`training_set`: the sha256 of what it learned from; `unseen_from`: it has learned from nothing as late as this.

    `lineage`: the id that its card prints (see `lineage`); None for one that was promoted before there was one.
    """

    service: str
    lineage: Lineage | None = None
    files: Files
    training_set: str
    unseen_from: AwareDatetime
    standing: Standing

    @classmethod
    def read(cls, path: Path) -> Champion | None:
        if not path.exists():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise KnownatError(f"{path} is damaged; `git checkout {path}`, or delete it to promote anew.") from error

    def write(self, path: Path) -> None:
        write_text(path, self.model_dump_json(indent=2) + "\n")

    def fetch(self, folder: Path) -> tuple[Path, Path]:
        """The champion's model and encoder, copied into a folder from DVC's cache or else the remote."""
        wanted = (paths.MODEL, self.files.model), (paths.ENCODER, self.files.encoder)
        model, encoder = (_fetched(path, md5, folder / path.name) for path, md5 in wanted)
        return model, encoder


def workspace_files() -> Files:
    return Files(model=file_hash(paths.MODEL), encoder=file_hash(paths.ENCODER))


def _fetched(path: Path, md5: str, target: Path) -> Path:
    cache = problem("cache", md5, target)
    remote = cache and problem("remote", md5, target)
    if remote:
        raise KnownatError(
            f"The champion's {path} is not to be had: the cache {cache}, the remote {remote};"
            f" `dvc push` it ({md5}) from where it was promoted."
        )
    return target
