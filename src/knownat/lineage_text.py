"""A trace as people read it, and as machines do."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from knownat.history import Commit
from knownat.lock import File, Stage
from knownat.tracing import Trace

SHOWN = 3  # of the first commits, and of the last


def as_text(found: Trace) -> str:
    """What it is, each stage with what it made, the parameters, and the commits that hold it."""
    head = [f"{found.file.path}  {found.file.hash}", *([f"lineage {found.lineage}"] if found.lineage else [])]
    rows = [("source", file) for file in found.sources]
    rows += [(stage.name, file) for stage in found.stages for file in found.kept(stage)]
    width, longest = max(len(name) for name, _ in rows), max(len(file.path) for _, file in rows)
    table = [f"  {name:<{width}}  {file.path:<{longest}}  {file.hash}" for name, file in rows]
    code = {file.path for stage in found.stages for file in stage.code}
    table += [f"  {'code':<{width}}  {len(code)} files below src/; --json has each with its hash"] if code else []
    params = [f"  {key}: {value}" for key, value in flat(found).items()]
    return "\n".join([*head, "", "Made from:", *table, *(["", "With:", *params] if params else []), "", *_commits(found)])


def as_json(found: Trace) -> Mapping[str, object]:
    few = {"first": found.commits[:SHOWN], "last": found.commits[-SHOWN:]}
    return {
        "file": _file(found.file),
        "lineage": found.lineage,
        "is_here": found.is_here,
        "sources": [_file(file) for file in found.sources],
        "stages": [_stage(stage) for stage in found.stages],
        "commits": {"count": len(found.commits)} | {which: [_commit(c) for c in some] for which, some in few.items()},
        "tags": [tag for commit in found.commits for tag in commit.tags],
        "experiments": [name for commit in found.commits for name in commit.experiments],
    }


def flat(found: Trace) -> dict[str, str]:
    """The parameters of all stages by their dotted key, in the order in which they are read first."""
    return {key: text for stage in found.stages for key, text in flattened(stage.params).items()}


def flattened(value: object, key: str = "") -> dict[str, str]:
    """Dotted key → value, as JSON where it is no text; an empty section is a value too."""
    if isinstance(value, Mapping) and value:
        return {k: v for name, inner in value.items() for k, v in flattened(inner, f"{key}.{name}" if key else str(name)).items()}
    if isinstance(value, Mapping) and not key:
        return {}
    return {key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}


def _commits(found: Trace) -> Iterator[str]:
    commits, names = found.commits, as_json(found)
    if not commits:
        yield "Held by no commit yet: commit dvc.lock."
        return
    yield f"Held by {len(commits):,} commit{'s' if len(commits) > 1 else ''}" + (
        ", of which the first and the last are:" if len(commits) > 2 * SHOWN else ":"
    )
    shown = commits if len(commits) <= 2 * SHOWN else (*commits[:SHOWN], None, *commits[-SHOWN:])
    for commit in shown:
        yield f"  {commit.id[:12]}  {commit.at}  {commit.subject}" if commit else "  …"
    for kind in ("tags", "experiments"):
        some: Any = names[kind]
        if some:
            yield f"{kind.capitalize()}: {', '.join(some)}"


def _commit(commit: Commit) -> dict[str, object]:
    return {"id": commit.id, "at": commit.at, "subject": commit.subject}


def _file(file: File) -> dict[str, object]:
    return {"path": file.path, "hash": file.hash, "size": file.size}


def _stage(stage: Stage) -> dict[str, object]:
    named = {"code": stage.code, "inputs": stage.inputs, "outputs": stage.outputs}
    files = {kind: [_file(file) for file in found] for kind, found in named.items()}
    return {"stage": stage.name, "command": stage.command, "params": dict(stage.params), **files}
