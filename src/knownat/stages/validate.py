"""A gate: Great Expectations judges data, the last gate also what is too good; a verdict is written only if nothing blocks."""

from __future__ import annotations

import sys
from typing import Any

from knownat import accepted, paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration
from knownat.derive import expectations as derived
from knownat.derive.expectations import Expectation, Suites
from knownat.errors import KnownatError
from knownat.files import replacing, write_json, write_text
from knownat.gate_inputs import assets, loading
from knownat.gates import GATES, Outcome, conclude, data_of, hashes
from knownat.params import Params
from knownat.suites import ROWS, completed, is_compared, refuse_vanished, written

SOME = 1_000_000  # rows, to see that what is not compared yet could be
UNACCEPTED = "not compared: no accepted version of this source and size; `knownat accept` makes this one the first"


def main(gate: str) -> Counts:
    if gate not in GATES:
        raise KnownatError(f"There is no gate '{gate}'; the gates are {', '.join(GATES)}.")
    params, declaration = Params.load(), Declaration.read(paths.compiled(f"validate_{gate}"))
    paths.verdict(gate).unlink(missing_ok=True)
    judged, suites = assets(gate, declaration), suites_of(gate, declaration, params)
    before = hashes(data_of(gate, declaration.tables))
    outcomes: list[Outcome] = []
    lost: list[str] = []
    with replacing(paths.RESULTS / gate) as (folder,), loading(params) as load:
        from knownat.data_docs import page
        from knownat.expectation_engine import judge, refuse_unknown

        for asset in judged:
            suite, values = suites[asset.name], parameters(gate, asset.name, declaration, params)
            told = [e for e in suite if ROWS in values or not is_compared(e)]
            untold = [e for e in suite if e not in told]
            refuse_unknown(asset.name, [completed(e, values | {ROWS: SOME}, asset.name) for e in untold])
            found, document = judge(asset.name, load(asset), [completed(e, values, asset.name) for e in told])
            lost += [asset.name] if len(found) != len(told) or not told else []
            outcomes += found + [_not_compared(asset.name, e) for e in untold]
            write_text(folder / f"{asset.name}.html", page(document))
        outcomes += _too_good(declaration, params) if gate == "training_set" else []
        write_json(folder / "result.json", [_readable(o) for o in outcomes])
    conclude(gate, before, outcomes, lost)
    warned = sum(o.success is False for o in outcomes)
    return {"gate": gate, "assets": len(judged), "expectations": len(outcomes), "warnings": warned}


def suites_of(gate: str, declaration: Declaration, params: Params) -> Suites:
    """What is derived and what is written, by asset."""
    suites = _derived(gate, declaration, params)
    beliefs = written(gate, list(suites))
    refuse_vanished(gate, beliefs, accepted.read().suites)
    return {asset: suite + beliefs.get(asset, []) for asset, suite in suites.items()}


def _derived(gate: str, declaration: Declaration, params: Params) -> Suites:
    if gate == "raw":
        return derived.raw_suites(declaration, params.validate_.max_bad_share)
    if gate == "features":
        return derived.features_suites(declaration, {name: params.source(name).observed_at for name in declaration.tables})
    return derived.training_set_suites(declaration, params.service)


def parameters(gate: str, asset: str, declaration: Declaration, params: Params) -> dict[str, Any]:
    """What written expectations may name: the data's clock and, of the accepted version if there is one, how many rows."""
    version = accepted.read().version(gate, asset, accepted.identity(params, declaration, gate, asset))
    view = declaration.feature_views.get(asset)
    table = view.table if view else asset if asset in declaration.tables else None
    values = {"observed_at": params.source(table).observed_at if table else params.observed_at}
    return values | ({ROWS: version.rows} if version else {})


def _too_good(declaration: Declaration, params: Params) -> list[Outcome]:
    from knownat.parquet import read
    from knownat.too_good import judge_inputs

    limit = params.validate_.max_single_auc
    return judge_inputs("training_set", read(paths.TRAINING_SET), declaration, params.service, limit)


def _not_compared(asset: str, item: Expectation) -> Outcome:
    meta, column = item["meta"], item["kwargs"].get("column")
    return Outcome(asset, item["type"], column, None, meta["reason"], UNACCEPTED, item, meta["severity"])


def _readable(outcome: Outcome) -> dict[str, Any]:
    return {
        "asset": outcome.asset,
        "column": outcome.column,
        "severity": outcome.severity,
        "reason": outcome.reason,
        "success": outcome.success,
        "found": outcome.found,
        "expectation": outcome.configuration,
    }


if __name__ == "__main__":
    run_stage("validate", main, *sys.argv[1:])
