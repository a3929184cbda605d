"""From YAML and SQL that a person wrote to models, or to one sentence that names file, key and remedy."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, RootModel, ValidationError
from pydantic_core import ErrorDetails

from knownat.declaration import Declaration, Feature, Name, Service, View
from knownat.errors import KnownatError

M = TypeVar("M", bound=BaseModel)

IN_FILES_OF_THEIR_OWN = {"views", "services", "sql"}  # parts of a model that are no key of its file
LONGEST_QUOTE = 80  # characters of what a person wrote that a sentence repeats


def read_yaml(path: Path) -> dict[str, Any]:
    """YAML 1.2 (so that Norway's NO stays a text), with duplicate keys refused."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    text = read_text(path)
    try:
        content = YAML(typ="safe", pure=True).load(text)
        json.dumps(content, ensure_ascii=False, skipkeys=True, default=str).encode()  # no half characters, nothing in itself
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        problem = str(error.problem).splitlines()[0]
        raise KnownatError(f"{path}, line {line}: this is not valid YAML: {problem}; mend that line.") from error
    except (
        YAMLError,
        ValueError,
        RecursionError,
    ) as error:  # a 30th of February, endless brackets, half a character
        problem = str(error).strip().splitlines()[0]
        raise KnownatError(f"{path} is not valid YAML: {problem}; mend it, or quote what is a text.") from error
    if not isinstance(content, dict) or not content:
        raise KnownatError(f"{path} holds no keys; write `key: value` lines in it.")
    return content


def read_text(path: Path) -> str:
    if not path.is_file():
        raise KnownatError(f"{path} is missing; create it (README, 'Your own data').")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise KnownatError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8.") from error


def validated(model: type[M], content: Any, path: Path) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # a misspelt key, where there is one, rather than that the right one is missing
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise KnownatError(" ".join(_sentence(first, model, path).split())) from error


def _sentence(error: ErrorDetails, model: type[BaseModel], path: Path) -> str:
    location = [str(part) for part in error["loc"] if part not in {"[key]"} and "function-" not in str(part)]
    where = f"{path}: {'.'.join(location)}" if location else str(path)
    if error["type"] == "extra_forbidden":
        known = _known_keys(model, error["loc"][:-1])
        close = difflib.get_close_matches(location[-1], known, 1)
        others = f"use one of {', '.join(known)}." if known else "remove it."
        return f"{where}: unknown key; " + (f"did you mean '{close[0]}'?" if close else others)
    if error["type"] == "missing":
        return f"{where} is missing; add it."
    message = error["msg"].removeprefix("Value error, ").rstrip(".")
    if "instance of" in message or "valid dictionary" in message:
        message = "keys and values belong here"
    return f"{where}: {message[0].lower() + message[1:]} (it says {_quoted(error['input'])}); correct it."


def _quoted(given: object) -> str:
    text = repr(given)
    return text if len(text) <= LONGEST_QUOTE else text[:LONGEST_QUOTE] + "…"


def _known_keys(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """The keys that a model allows at a location, found by walking the annotations."""
    current: Any = model.model_fields["root"].annotation if issubclass(model, RootModel) else model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel):
            fields = {f.alias or name: f.annotation for name, f in current.model_fields.items()}
            current = fields.get(str(part))
        else:
            current = _value_type(current)
    if not (isinstance(current, type) and issubclass(current, BaseModel)):
        current = _value_type(current)
    named = current.model_fields if current else {}
    return [f.alias or name for name, f in named.items() if name not in IN_FILES_OF_THEIR_OWN]


def _value_type(annotation: Any) -> Any:
    """The model among what `dict[str, Model]` or `Model | None` is made of."""
    arguments = getattr(annotation, "__args__", ())
    return next((a for a in reversed(arguments) if isinstance(a, type) and issubclass(a, BaseModel)), None)


class _Services(RootModel[dict[Name, Service]]):
    """`services.yaml`."""


def load_declaration(folder: Path) -> Declaration:
    """All of a feature repository's declaration, with bounds inherited; `checks` proves that it makes sense."""
    path = folder / "dataset.yaml"
    partial = _dataset(path)
    views = dict(_views(folder / "views"))
    if not views:
        raise KnownatError(f"{folder / 'views'} declares no view; add a <view>.yaml there.")
    path = folder / "services.yaml"
    services = validated(_Services, read_yaml(path), path).root
    views = {name: _inherit(view, partial) for name, view in views.items()}
    return partial.model_copy(update={"views": views, "services": services})


def _dataset(path: Path) -> Declaration:
    content = read_yaml(path)
    for key, place in (("views", "views/<view>.yaml"), ("services", "services.yaml")):
        if key in content:
            raise KnownatError(f"{path}: {key}: unknown key; write it to {place} beside this file.")
    declaration = validated(Declaration, content, path)
    for key in ("label", "entities"):
        if not content.get(key):
            raise KnownatError(f"{path}: {key} is missing; add it.")
    return declaration


def _views(folder: Path) -> Iterator[tuple[str, View]]:
    """Each view and its SQL, by file stem, in the order of the names of the files."""
    for path in sorted(folder.glob("*.yml")):
        raise KnownatError(f"{path} is not read; rename it to {path.stem}.yaml.")
    for path in sorted(folder.glob("*.sql")):
        if not path.with_suffix(".yaml").exists():
            raise KnownatError(f"{path} has no {path.stem}.yaml beside it; declare its features there.")
    for path in sorted(folder.glob("*.yaml")):
        content = read_yaml(path)
        if "sql" in content:
            raise KnownatError(f"{path}: sql: unknown key; write the query to {path.stem}.sql beside it.")
        query = path.with_suffix(".sql")
        sql = read_text(query) if query.exists() else None
        yield path.stem, validated(View, content, path).model_copy(update={"sql": sql})


def _inherit(view: View, declaration: Declaration) -> View:
    """A feature that is a bare column of its own dtype takes over the bounds it does not state itself."""
    table = declaration.tables.get(view.table or declaration.event.table)
    features = {}
    for name, feature in view.features.items():
        column = table.columns.get(feature.expr or name) if table and view.sql is None and not feature.agg else None
        if column is None or column.dtype != feature.dtype:
            features[name] = feature
            continue
        inherited = {k: getattr(column, k) for k in ("required", "min", "max", "values") if not _states(feature, k)}
        features[name] = feature.model_copy(update=inherited)
    return view.model_copy(update={"features": features})


def _states(feature: Feature, key: str) -> bool:
    return key in feature.model_fields_set
