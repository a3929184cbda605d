"""The beliefs in `expectations/<gate>/<asset>.json`: read, checked, and completed by what is known only at run time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from knownat import paths
from knownat.derive.expectations import Expectation, Suites
from knownat.errors import KnownatError
from knownat.gates import GATES
from knownat.suite_checks import check_kwargs, read_strictly

SEVERITIES = ("block", "warn")
PARAMETER, CLOCK = "$PARAMETER", re.compile(r"\bnow\b", re.IGNORECASE)
ROWS = "accepted_rows"
FILE_KEYS = {"name", "expectations", "meta", "notes", "id"}


def written(gate: str, assets: list[str]) -> Suites:
    """The hand-written suites of a gate, by asset."""
    suites: Suites = {}
    _refuse_stray(paths.EXPECTATIONS)
    for path in sorted((paths.EXPECTATIONS / gate).glob("*")):
        if path.name.startswith("."):
            continue
        if path.suffix != ".json" or path.stem not in assets:
            names = ", ".join(f"{asset}.json" for asset in assets)
            raise KnownatError(f"{path}: this gate has nothing called so; name the file one of {names}.")
        suites[path.stem] = list(expectations_in(path))
    return suites


def _refuse_stray(folder: Path) -> None:
    """KnownatError for what looks like suites and is in no gate's folder, where nobody would judge it."""
    for path in sorted(folder.glob("*")):
        is_suites = path.is_dir() or path.suffix == ".json"
        if is_suites and not path.name.startswith(".") and path.name not in (*GATES, paths.ACCEPTED.name):
            raise KnownatError(f"{path}: there is no such gate; suites stand in a folder called {', '.join(GATES)}.")


def refuse_vanished(gate: str, suites: Suites, accepted: Mapping[str, int]) -> None:
    """KnownatError if a suite that was accepted is gone, or has fewer expectations than were accepted.

    `accepted`: `<gate>/<asset>.json` → how many expectations it had.
    """
    for file, expected in accepted.items():
        folder, _, name = file.partition("/")
        found = len(suites.get(name.removesuffix(".json"), []))
        if folder == gate and found < expected:
            path = paths.EXPECTATIONS / file
            problem = "is gone" if not found else f"has {found} expectations"
            raise KnownatError(
                f"{path} {problem}, where {expected} were accepted; restore it (`git checkout {path.as_posix()}`), "
                f"or, if that is meant, correct the number in {paths.ACCEPTED.as_posix()}."
            )


def expectations_in(path: Path) -> Iterator[Expectation]:
    """What a suite's file holds; KnownatError for what would be lost, or would hold of any data."""
    try:
        content: Any = read_strictly(path)
    except ValueError as error:
        raise KnownatError(f"{path} is not valid JSON: {error}; mend it.") from error
    listed = content.get("expectations") if isinstance(content, dict) else None
    if not listed or not isinstance(listed, list):
        raise KnownatError(f"{path} holds no expectations; add some under 'expectations' or delete the file.")
    if extra := sorted(set(content) - FILE_KEYS):
        raise KnownatError(f"{path} has {', '.join(extra)}, which nobody reads; a suite has {', '.join(sorted(FILE_KEYS))} alone.")
    for item in listed:
        _check(path, item)
        check_kwargs(path, item["type"], item["kwargs"])
        yield item


def _check(path: Path, item: Any) -> None:
    if not isinstance(item, dict) or not isinstance(item.get("type"), str) or not isinstance(item.get("kwargs"), dict):
        raise KnownatError(f"{path}: {item} is no expectation; give it a type and kwargs.")
    kind, meta = item["type"], item.get("meta")
    if set(item) - {"type", "kwargs", "meta"}:
        extra = ", ".join(sorted(set(item) - {"type", "kwargs", "meta"}))
        raise KnownatError(f"{path}: {kind} has {extra}; an expectation has type, kwargs and meta alone.")
    if not isinstance(meta, dict) or not str(meta.get("reason") or "").strip():
        raise KnownatError(f"{path}: {kind} has no meta.reason; say in a few words why it must hold.")
    if meta.get("severity") not in SEVERITIES:
        raise KnownatError(f"{path}: {kind} has no meta.severity; write block (stops the pipeline) or warn (shows in the report).")
    if any(CLOCK.search(text) for text in parameters(item)):
        raise KnownatError(f"{path}: {kind} asks for the present time; use observed_at, the data's own clock.")


def parameters(item: Expectation) -> list[str]:
    """The expressions that an expectation leaves to run time, such as `accepted_rows * 0.9`."""
    return [str(value[PARAMETER]) for value in item["kwargs"].values() if isinstance(value, dict) and PARAMETER in value]


def is_compared(item: Expectation) -> bool:
    """Whether an expectation compares with the accepted version, of which there may be none."""
    return any(re.search(rf"\b{ROWS}\b", text) for text in parameters(item))


def completed(item: Expectation, values: Mapping[str, Any], where: str) -> Expectation:
    """The expectation with its `$PARAMETER`s (Great Expectations' arithmetic) as values."""
    from great_expectations.core.suite_parameters import parse_suite_parameter
    from great_expectations.exceptions import SuiteParameterError

    kwargs = dict(item["kwargs"])
    for name, value in kwargs.items():
        if isinstance(value, dict) and PARAMETER in value:
            try:
                kwargs[name] = _moment(parse_suite_parameter(str(value[PARAMETER]), dict(values)))
            except SuiteParameterError as error:
                raise KnownatError(
                    f"{where}: {item['type']}: {name}: '{value[PARAMETER]}' cannot be computed; it may use {', '.join(values)}, "
                    "numbers and timedelta(days=…)."
                ) from error
    return {**item, "kwargs": kwargs}


def _moment(value: Any) -> Any:
    """Great Expectations writes a computed time as text, and compares times only with times."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value
