"""What one `dvc.lock` says: the stages, what each read and made, and the way to a file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knownat.errors import KnownatError
from knownat.lineage import COVERED, SECTIONS, lineage_id

LOCK = Path("dvc.lock")
HASHES = ("md5", "etag", "checksum", "version_id")  # of a file in the cache, or at a source's server
CODE = "src/"
DEPS = re.compile(r"^    deps:\n(?:    [- ] .*\n)*", re.MULTILINE)
STAGE = re.compile(r"^  \S.*:\n(?:    .*\n?)*", re.MULTILINE)


@dataclass(frozen=True)
class File:
    """A file or folder under the hash that DVC keeps it by; a folder's is that of its listing and ends in `.dir`."""

    path: str
    hash: str
    size: int | None = None


@dataclass(frozen=True)
class Stage:
    """One stage as it last ran; `params` are the values that it read, by their (dotted) key in params.yaml."""

    name: str
    command: str
    code: tuple[File, ...]
    inputs: tuple[File, ...]
    outputs: tuple[File, ...]
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Lock:
    stages: Mapping[str, Stage]

    @property
    def outputs(self) -> dict[str, File]:
        return {file.path: file for stage in self.stages.values() for file in stage.outputs}

    @property
    def files(self) -> dict[str, File]:
        """Everything that a stage made or read, code too."""
        read = {file.path: file for stage in self.stages.values() for file in (*stage.code, *stage.inputs)}
        return read | self.outputs

    def lineage(self) -> str | None:
        """The id of the model; None where not all of its files are named."""
        hashes = {path: file.hash for path, file in self.outputs.items()}
        params = {name: value for stage in self.stages.values() for name, value in stage.params.items()}
        whole = hashes.keys() >= {path.as_posix() for path in COVERED} and params.keys() >= set(SECTIONS)
        return lineage_id(hashes, params) if whole else None

    def way_to(self, path: str) -> list[Stage]:
        """The stages that made a file, or that what they made is made of, in the order in which they run."""
        found: dict[str, Stage] = {}
        seen = set[str]()

        def follow(wanted: str) -> None:
            for stage in self.stages.values():
                if stage.name not in seen and any(same(wanted, file.path) for file in stage.outputs):
                    seen.add(stage.name)
                    for file in stage.inputs:
                        follow(file.path)
                    found[stage.name] = stage

        follow(path)
        return list(found.values())


def same(one: str, other: str) -> bool:
    """Whether two paths are the same or one lies in the other."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/")


def parse(text: str, where: str = "dvc.lock") -> Lock:
    """Raises KnownatError for what is no lock of DVC's."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        content = YAML(typ="safe", pure=True).load(text)  # YAML 1.2, as DVC writes it
        return Lock({name: _stage(name, stage) for name, stage in ((content or {}).get("stages") or {}).items()})
    except (YAMLError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise KnownatError(f"{where} cannot be read; `git checkout dvc.lock`, or run `dvc repro` to write it anew.") from error


def lineage_in(text: str) -> str | None:
    """As `parse(text).lineage()`, but only what the id needs is parsed, in a tenth of the time. None for what is no lock."""
    wanted = [f"- path: {path.as_posix()}\n" for path in COVERED]
    stages = [stage for stage in STAGE.findall(DEPS.sub("", text)) if any(path in stage for path in wanted)]
    try:
        return parse("stages:\n" + "".join(stages)).lineage() if stages else None
    except KnownatError:
        return None


def _stage(name: str, content: Mapping[str, Any]) -> Stage:
    deps = list(_files(content.get("deps") or []))
    params = {key: value for given in (content.get("params") or {}).values() for key, value in given.items()}
    code = tuple(file for file in deps if file.path.startswith(CODE))
    inputs = tuple(file for file in deps if file not in code)
    return Stage(name, str(content["cmd"]), code, inputs, tuple(_files(content.get("outs") or [])), params)


def _files(entries: list[Mapping[str, Any]]) -> Iterator[File]:
    for entry in entries:
        [found, *_] = [entry[kind] for kind in HASHES if entry.get(kind)]  # ValueError: there is none
        yield File(str(entry["path"]), str(found), entry.get("size"))
