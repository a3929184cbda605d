"""The history of `dvc.lock` in git: which commits hold which, on every branch, tag and experiment."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from knownat.errors import KnownatError
from knownat.lock import LOCK


@dataclass(frozen=True)
class Commit:
    """`place`: in the history, oldest first; `at`: when it was committed, ISO with its zone.

    `tags`, `experiments`: those that it is the tip of.
    """

    place: int
    id: str
    at: str
    subject: str
    tags: tuple[str, ...] = ()
    experiments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Held:
    """One version of dvc.lock, and every commit that holds it, oldest first."""

    text: str
    commits: tuple[Commit, ...]


def history() -> list[Held]:
    """Every version of dvc.lock that git knows, in the order in which they came; none where none was committed.

    Raises KnownatError outside a git repository.
    """
    prefix = git("rev-parse", "--show-prefix").strip()
    commits = list(_commits())
    found: dict[str, list[Commit]] = {}
    asked = "".join(f"{commit.id}:{prefix}{LOCK}\n" for commit in commits)
    for commit, line in zip(
        commits, git("cat-file", "--batch-check=%(objectname) %(objecttype)", given=asked).split("\n")[:-1], strict=True
    ):
        if line.endswith(" blob"):
            found.setdefault(line.split()[0], []).append(commit)
    return [Held(text, tuple(found[blob])) for blob, text in zip(found, _texts(list(found)), strict=True)]


def is_shallow() -> bool:
    return git("rev-parse", "--is-shallow-repository").strip() == "true"


def git(*arguments: str, given: str | None = None) -> str:
    """What git prints, or KnownatError where it cannot."""
    command = ["git", *arguments]
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, input=None if given is None else given.encode(), capture_output=True, check=False, env=environment
        )
    except OSError as error:
        raise KnownatError("git cannot be run, and lineage is looked up in it; install git.") from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        if "not a git repository" in said:
            raise KnownatError("This folder is in no git repository, where lineage is looked up; run it in a clone of the project.")
        raise KnownatError(f"`git {arguments[0]}` failed: {said.splitlines()[-1] if said else 'it says nothing'}")
    return done.stdout.decode(errors="replace")


def _commits() -> Iterator[Commit]:
    tags, experiments = _names()
    # without -z a subject stays on its line; what git wrote aside (stashes, DVC's own bookkeeping) is nobody's version
    hidden = [f"--exclude=refs/{kept}" for kept in ("stash", "exps/stash", "exps/exec/*", "exps/celery/*")]
    order = ["--all", "--date-order", "--reverse", "--encoding=UTF-8", "--no-show-signature"]
    lines = git("log", *hidden, *order, "--format=%H%x09%cI%x09%s").split("\n")[:-1]  # a subject may hold a form feed
    for place, line in enumerate(lines):
        name, at, subject = line.split("\t", 2)
        yield Commit(place, name, at, subject, tuple(tags.get(name, ())), tuple(experiments.get(name, ())))


def _names() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """commit → its tags, and → the experiments whose last commit it is."""
    tags: dict[str, list[str]] = {}
    experiments: dict[str, list[str]] = {}
    for line in git("for-each-ref", "--format=%(refname)%09%(objectname)%09%(*objectname)", "refs/tags", "refs/exps").splitlines():
        name, direct, peeled = line.split("\t")
        kind, *rest = name.split("/")[1:]
        if kind == "tags":
            tags.setdefault(peeled or direct, []).append("/".join(rest))
        elif len(rest) == 3:  # refs/exps/<two digits of the baseline>/<the others>/<name>
            experiments.setdefault(direct, []).append(rest[2])
    return tags, experiments


def _texts(blobs: Sequence[str]) -> Iterator[str]:
    for blob in blobs:
        yield git("cat-file", "blob", blob)
