"""What a git revision's `dvc.lock` names: hashes at once, files from the cache or the remote when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knownat.errors import KnownatError

Hashes = dict[str, str]


@dataclass(frozen=True)
class Revision:
    """The tracked data of one revision; `tree` is DVC's file system as of it."""

    name: str
    tree: Any

    def folders(self, path: Path) -> list[str]:
        """The names of what lies directly in a folder, sorted; none where the revision has no such folder."""
        with _readable(self.name, path):
            found = self.tree.ls(f"/{path.as_posix()}", detail=False) if self.tree.isdir(f"/{path.as_posix()}") else []
            return sorted(Path(name).name for name in found)

    def hashes(self, path: Path) -> Hashes:
        """The md5 of each file of a data set by its path below it (`.` for the file itself); empty where there is none."""
        root = f"/{path.as_posix()}"
        with _readable(self.name, path):
            if not self.tree.exists(root):
                return {}
            names = self.tree.find(root)
            return {Path(name).relative_to(root).as_posix(): self.tree.info(name)["md5"] for name in names}

    def fetch(self, path: Path, into: Path) -> Path:
        """Copy a data set below a folder; each file is what the lock says, or KnownatError."""
        for name, md5 in self.hashes(path).items():
            target = into / path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with _readable(self.name, path / name):
                self.tree.get_file(f"/{(path / name).as_posix()}", str(target))
            if file_hash(target) != md5:
                raise KnownatError(
                    f"{path / name} of {self.name} is damaged in the cache or the remote; delete the object and `dvc pull` it."
                )
        return into / path


@contextmanager
def at(name: str) -> Iterator[Revision]:
    """A revision (branch, tag, commit, experiment) of the repository that the working folder lies in."""
    from dvc.exceptions import DvcException, NotDvcRepoError
    from dvc.repo import Repo
    from dvc.repo.brancher import switch
    from dvc.scm import NoSCM, RevError, SCMError

    try:
        repo = Repo(".")
        if isinstance(repo.scm, NoSCM):
            raise KnownatError("This folder is in no git repository, so there is no revision; run it in a clone of the project.")
        with switch(repo, name):
            if not repo.fs.exists(repo.fs.join(repo.root_dir, "dvc.lock")):
                raise KnownatError(f"The revision {name} has no dvc.lock; name one whose pipeline was reproduced and committed.")
            yield Revision(name, repo.dvcfs)
    except NotDvcRepoError as error:
        raise KnownatError("This folder is in no git repository with DVC; run it in a clone of the project.") from error
    except RevError as error:
        raise KnownatError(f"There is no revision '{name}' here; see `git log`, or `git fetch` it.") from error
    except SCMError as error:
        raise KnownatError(f"git cannot read the revision '{name}': {error}; run it in a clone of the project.") from error
    except DvcException as error:
        raise KnownatError(f"DVC cannot read the revision '{name}': {error}; mend its dvc.yaml or dvc.lock.") from error


@contextmanager
def _readable(name: str, path: Path) -> Iterator[None]:
    from dvc.exceptions import DvcException
    from dvc_data.index.index import DataIndexDirError
    from dvc_objects.errors import ObjectDBError

    try:
        yield
    except (OSError, DvcException, DataIndexDirError, ObjectDBError) as error:
        raise KnownatError(
            f"{path} of {name} is neither in the cache nor in the remote; `dvc push` it from where it was made, then `dvc pull`."
        ) from error


def file_hash(path: Path) -> str:
    """The md5 of a file's bytes, as DVC has it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def workspace_hashes(path: Path) -> Hashes:
    """As `Revision.hashes`, of what is on disk."""
    if path.is_file():
        return {".": file_hash(path)}
    return {file.relative_to(path).as_posix(): file_hash(file) for file in sorted(path.rglob("*")) if file.is_file()}
