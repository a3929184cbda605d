"""A gate: Great Expectations judges data, the last gate also what is too good; a verdict is written only if all holds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knownat import paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration
from knownat.derive import expectations as derived
from knownat.errors import KnownatError
from knownat.files import read_json, replacing, write_json, write_text
from knownat.gates import Outcome, conclude, data_of
from knownat.params import Params

if TYPE_CHECKING:
    import pandas as pd

Frames = dict[str, Callable[[], "pd.DataFrame"]]


def main(gate: str) -> Counts:
    if gate not in GATES:
        raise KnownatError(f"There is no gate '{gate}'; the gates are {', '.join(GATES)}.")
    params, declaration = Params.load(), Declaration.read(paths.compiled(f"validate_{gate}"))
    paths.verdict(gate).unlink(missing_ok=True)
    frames, suites = GATES[gate](declaration, params)
    written = _written(gate, list(frames))
    from knownat.data_docs import page
    from knownat.expectation_engine import judge

    outcomes: list[Outcome] = []
    lost: list[str] = []
    with replacing(paths.RESULTS / gate) as (folder,):
        for asset, load in frames.items():
            suite = suites.get(asset, []) + written.get(asset, [])
            found, document = judge(asset, load(), suite)
            outcomes += found
            lost += [asset] if len(found) != len(suite) or not suite else []
            write_text(folder / f"{asset}.html", page(document))
        outcomes += _too_good(declaration, params) if gate == "training_set" else []
        write_json(folder / "result.json", [_readable(o) for o in outcomes])
    conclude(gate, data_of(gate, declaration.tables), outcomes, lost)
    return {"gate": gate, "assets": len(frames), "expectations": len(outcomes)}


def _raw(declaration: Declaration, params: Params) -> tuple[Frames, derived.Suites]:
    frames: Frames = {name: partial(_raw_frame, name) for name in declaration.tables}
    return frames, derived.raw_suites(declaration, params.validate_.max_bad_share)


def _raw_frame(table: str) -> pd.DataFrame:
    """The raw rows, and a row for each line that could not be read."""
    import pandas as pd

    from knownat.parquet import read

    raw, rejected = read(paths.RAW / f"{table}.parquet").to_pandas(), read(paths.REJECTED / f"{table}.parquet", ["line"])
    unreadable = rejected.to_pandas().assign(**{derived.READABLE: False})
    both = [frame for frame in (raw.assign(**{derived.READABLE: True}), unreadable) if len(frame)]
    return pd.concat(both or [raw.assign(**{derived.READABLE: True})], ignore_index=True)


def _features(declaration: Declaration, params: Params) -> tuple[Frames, derived.Suites]:
    from knownat.parquet import read

    folders = [paths.TABLES / name for name in declaration.tables] + [paths.VIEWS / name for name in declaration.feature_views]
    missing = [str(folder) for folder in folders if not folder.exists()]
    if missing:
        raise KnownatError(f"{', '.join(missing)} is missing; run `dvc repro preprocess`.")
    frames: Frames = {folder.name: partial(lambda f: read(f).to_pandas(), folder) for folder in folders}
    observed_at = {name: params.source(name).observed_at for name in declaration.tables}
    return frames, derived.features_suites(declaration, observed_at)


def _training_set(declaration: Declaration, params: Params) -> tuple[Frames, derived.Suites]:
    from knownat.parquet import read

    frames: Frames = {"training_set": lambda: read(paths.TRAINING_SET).to_pandas()}
    return frames, derived.training_set_suites(declaration, params.service)


def _too_good(declaration: Declaration, params: Params) -> list[Outcome]:
    from knownat.parquet import read
    from knownat.too_good import judge_inputs

    limit = params.validate_.max_single_auc
    return judge_inputs("training_set", read(paths.TRAINING_SET), declaration, params.service, limit)


GATES: dict[str, Callable[[Declaration, Params], tuple[Frames, derived.Suites]]] = {
    "raw": _raw, "features": _features, "training_set": _training_set,
}  # fmt: skip


def _written(gate: str, assets: list[str]) -> derived.Suites:
    """The hand-written suites of a gate, by asset: `expectations/<gate>/<asset>.json`."""
    suites: derived.Suites = {}
    for path in sorted((paths.EXPECTATIONS / gate).glob("*.json")):
        if path.stem not in assets:
            raise KnownatError(f"{path}: there is no '{path.stem}' at this gate; name the file after one of {', '.join(assets)}.")
        suites[path.stem] = list(_expectations(path))
    return suites


def _expectations(path: Path) -> Iterator[derived.Expectation]:
    try:
        content: Any = read_json(path)
    except ValueError as error:
        raise KnownatError(f"{path} is not valid JSON: {error}; mend it.") from error
    listed = content.get("expectations") if isinstance(content, dict) else None
    if not listed:
        raise KnownatError(f"{path} holds no expectations; add some under 'expectations' or delete the file.")
    for item in listed:
        if not isinstance(item, dict) or not {"type", "kwargs"} <= set(item):
            raise KnownatError(f"{path}: {item} is no expectation; give it a type and kwargs.")
        if not isinstance(item.get("meta"), dict) or not item["meta"].get("reason"):
            raise KnownatError(f"{path}: {item['type']} has no meta.reason; say in a few words why it must hold.")
        yield item


def _readable(outcome: Outcome) -> dict[str, Any]:
    return {
        "asset": outcome.asset,
        "column": outcome.column,
        "reason": outcome.reason,
        "success": outcome.success,
        "found": outcome.found,
        "expectation": outcome.configuration,
    }


if __name__ == "__main__":
    run_stage("validate", main, *sys.argv[1:])
