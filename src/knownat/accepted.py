"""`accepted.json`: the last version of each data set that a person has accepted, to compare the next one with.

Importing this module is cheap: no engine. `acceptance` measures and writes, gates and the report read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError

from knownat import paths
from knownat.declaration import Declaration, Model
from knownat.download import shown
from knownat.errors import KnownatError
from knownat.gates import GATES
from knownat.params import Params, Source

Quantiles = list[float] | list[str]
Share = float

# a name that no gate asks for would guard nothing
SuiteFile = Annotated[str, Field(pattern=rf"^({'|'.join(GATES)})/[^/]+\.json$")]
AssetName = Annotated[str, Field(pattern=rf"^({'|'.join(GATES)})/[^/]+$")]
MOST_ROWS = 2**63 - 1

COLUMN_DEPTH = 5  # versions, asset, identity, columns, column


class Column(Model):
    """What is kept of a column: `nulls` and `top` (most frequent first) are shares of the rows.

    `quantiles` are at `profile.QUANTILES`, as numbers or, of times, as ISO text; a column that has no order has none.
    """

    nulls: Share = Field(ge=0, le=1)
    distinct: int = Field(ge=0)
    quantiles: Quantiles = []
    top: dict[str, Share] = {}


class Version(Model):
    """One accepted data set; raw ones have no `columns`, since all of theirs are text."""

    hash: str
    rows: int = Field(ge=1, le=MOST_ROWS)  # of none or of more than there can be, every comparison would hold, or none
    columns: dict[str, Column] = {}


class Accepted(Model):
    """`suites`: `<gate>/<asset>.json` → how many expectations it holds. `versions`: `<gate>/<asset>` → identity → version."""

    suites: dict[SuiteFile, Annotated[int, Field(ge=1)]] = {}
    versions: dict[AssetName, dict[str, Version]] = {}

    def version(self, gate: str, asset: str, identity: str) -> Version | None:
        """The accepted version of an asset, of the same source and size."""
        return self.versions.get(f"{gate}/{asset}", {}).get(identity)

    def replaced(self, suites: Mapping[str, int], fresh: Mapping[tuple[str, str, str], Version]) -> Accepted:
        """These suites, and versions by gate, asset and identity in place of the same ones; all others stay."""
        versions = {name: dict(known) for name, known in self.versions.items()}
        for (gate, asset, identity), version in fresh.items():
            versions.setdefault(f"{gate}/{asset}", {})[identity] = version
        return Accepted(suites=dict(suites), versions=versions)

    def text(self) -> str:
        """As JSON, sorted, a column a line, so that a diff shows which has changed."""
        content = self.model_dump(exclude_defaults=True, mode="json")
        return "\n".join(_lines("", {"suites": {}, "versions": {}} | content)) + "\n"


def read(path: Path = paths.ACCEPTED) -> Accepted:
    """What has been accepted; nothing if there is no such file."""
    if not path.exists():
        return Accepted()
    try:
        return Accepted.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise KnownatError(
            f"{path} is damaged or of another version; `git checkout {path}`, or delete it and run `knownat accept`."
        ) from error


def identity(params: Params, declaration: Declaration, gate: str, asset: str) -> str:
    """What "the same source and size" is: versions are compared only where this text is the same."""
    if gate == "raw":
        return _sourced(asset, params.source(asset))
    parts = [_sourced(table, params.source(table)) for table in sorted(declaration.tables)]
    parts += [f"filters: {', '.join(sorted(params.preprocess.filters))}"] if params.preprocess.filters else []
    parts += [f"subset: {params.preprocess.subset:g}"] if params.preprocess.subset < 1 else []
    parts += [f"service: {params.service}"] if gate == "training_set" else []
    return "; ".join(parts)


def _sourced(table: str, source: Source) -> str:
    """Neither the version nor a secret of a URI, and no folder of this machine."""
    if source.is_remote:
        return f"{table}: {shown(source.uri).partition('?')[0]}"
    path = Path(source.uri)
    if not source.is_generator:
        return f"{table}: {path.name}"
    rows = f", {source.rows} rows" if source.rows is not None else ""
    return f"{table}: {path.name if path.is_absolute() else path.as_posix()}{rows}"


def _lines(key: str, content: Any, depth: int = 0) -> Iterator[str]:
    """The lines of a JSON value, keys in order; a column is one."""
    margin, head = "  " * depth, f"{json.dumps(key, ensure_ascii=False)}: " if depth else ""
    if not isinstance(content, dict) or not content or depth == COLUMN_DEPTH:
        yield f"{margin}{head}{json.dumps(content, ensure_ascii=False, allow_nan=False)}"
        return
    yield f"{margin}{head}{{"
    for position, name in enumerate(sorted(content), 1):
        *first, last = _lines(name, content[name], depth + 1)
        yield from first
        yield last + ("," if position < len(content) else "")
    yield f"{margin}}}"
