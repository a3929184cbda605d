"""Great Expectations, told to keep quiet, to fail closed and to write the same bytes for the same data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import great_expectations as gx
from great_expectations.exceptions import GreatExpectationsError

from knownat.errors import KnownatError
from knownat.gates import Outcome

if TYPE_CHECKING:
    import pandas as pd
    from pyspark.sql import DataFrame

    from knownat.derive.expectations import Expectation

SHOWN = ("observed_value", "unexpected_count", "element_count", "missing_count", "partial_unexpected_list")
POSITION = "position"
NOTHING = "nothing was compared: there is no such row, or no value in it"
SEVERITIES = {"block": "critical", "warn": "warning"}  # ours → Great Expectations'


def judge(asset: str, frame: pd.DataFrame | DataFrame, suite: list[Expectation]) -> tuple[list[Outcome], Any]:
    """What each expectation found on a frame of pandas or Spark, and the result as Great Expectations renders it.

    Raises KnownatError for an expectation that Great Expectations does not know.
    """
    import pandas as pd

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    sources = context.data_sources
    source = sources.add_pandas("knownat") if isinstance(frame, pd.DataFrame) else sources.add_spark("knownat", persist=False)
    definition = source.add_dataframe_asset(asset).add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    # all at once: one by one, each would be compared with all before it
    loaded = gx.ExpectationSuite(name=asset, expectations=[_expectation(asset, e, place) for place, e in enumerate(suite)])
    result = batch.validate(loaded)
    for found in result.results:
        found.result = {key: _python(value) for key, value in found.result.items()}
    result.results.sort(key=lambda found: found.expectation_config.meta.pop(POSITION))
    outcomes = [_outcome(asset, found) for found in result.results]
    result.success = all(o.success or o.severity == "warn" for o in outcomes)
    return outcomes, result


def refuse_unknown(asset: str, suite: list[Expectation]) -> None:
    """KnownatError for an expectation that Great Expectations does not know, whether or not it is then judged."""
    for place, item in enumerate(suite):
        _expectation(asset, item, place)


def _expectation(asset: str, item: Expectation, position: int) -> Any:
    """Its position goes along, since Great Expectations returns results in an order of its own."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    meta = {**item["meta"], POSITION: position}
    kwargs = {name: _naive(value) for name, value in item["kwargs"].items()}
    if "column_A" in kwargs:  # the engines differ on a missing value, for which there are expectations of its own
        kwargs.setdefault("ignore_row_if", "either_value_is_missing")
    severity = SEVERITIES[item["meta"]["severity"]]
    try:
        return ExpectationConfiguration(type=item["type"], kwargs=kwargs, meta=meta, severity=severity).to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError) as error:
        raise KnownatError(
            f"expectations: {asset}: Great Expectations refuses {item['type']} ({str(error).splitlines()[0]}); correct it."
        ) from error


def _naive(value: Any) -> Any:
    """Moments as naive times in UTC, like the columns that they are compared with."""
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _plain(configuration: dict[str, Any]) -> Expectation:
    kwargs = {k: v for k, v in configuration["kwargs"].items() if k != "batch_id"}
    return {"type": configuration["type"], "kwargs": kwargs, "meta": configuration.get("meta", {})}


def _outcome(asset: str, found: Any) -> Outcome:
    record = found.to_json_dict()
    configuration = _plain(record["expectation_config"])
    raised = record["exception_info"]
    problem = _exception(raised)
    evidence = {key: value for key in SHOWN if (value := record["result"].get(key)) is not None}
    idle = bool(record["success"]) and _is_idle(record["result"])
    if "partial_unexpected_list" in evidence:
        evidence["partial_unexpected_list"] = evidence["partial_unexpected_list"][:5]
    return Outcome(
        asset=asset,
        expectation=configuration["type"],
        column=configuration["kwargs"].get("column"),
        success=bool(record["success"]) and problem is None and not idle,
        reason=configuration["meta"].get("reason", configuration["type"]),
        found=problem or (NOTHING if idle else json.dumps(evidence, default=str)),
        configuration=configuration,
        severity=configuration["meta"]["severity"],
    )


def _is_idle(result: dict[str, Any]) -> bool:
    """Whether there was nothing to judge, which Great Expectations calls a success: no row, or no value in any."""
    rows = result.get("element_count")
    return rows == 0 or (rows is not None and result.get("missing_count") == rows)


def _python(value: Any) -> Any:
    """Plain values instead of numpy's and pandas', of which Great Expectations renders not all."""
    import pandas as pd

    if isinstance(value, dict):
        return {key: _python(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_python(item) for item in value]
    if value is pd.NA or value is pd.NaT:
        return None
    return value.tolist() if hasattr(value, "tolist") else value


def _exception(info: dict[str, Any]) -> str | None:
    """The message of whatever was raised; Great Expectations nests it by metric or not at all."""
    if "raised_exception" in info:
        info = {"": info}
    messages = [str(i.get("exception_message")) for i in info.values() if isinstance(i, dict) and i.get("raised_exception")]
    return f"raised: {messages[0].splitlines()[0]}" if messages else None
