"""Great Expectations, told to keep quiet, to fail closed and to write the same bytes for the same data."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import great_expectations as gx
from great_expectations.exceptions import GreatExpectationsError

from knownat.errors import KnownatError
from knownat.gates import Outcome

if TYPE_CHECKING:
    import pandas as pd

    from knownat.derive.expectations import Expectation

SHOWN = ("observed_value", "unexpected_count", "element_count", "missing_count", "partial_unexpected_list")
POSITION = "position"


def judge(asset: str, frame: pd.DataFrame, suite: list[Expectation]) -> tuple[list[Outcome], Any]:
    """What each expectation found on a frame, and the result as Great Expectations renders it.

    Raises KnownatError for an expectation that Great Expectations does not know.
    """
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("knownat")
    definition = source.add_dataframe_asset(asset).add_batch_definition_whole_dataframe("all")
    batch = definition.get_batch(batch_parameters={"dataframe": frame})
    loaded = gx.ExpectationSuite(name=asset)
    for position, item in enumerate(suite):
        loaded.add_expectation(_expectation(asset, item, position))
    result = batch.validate(loaded)
    result.results.sort(key=lambda found: found.expectation_config.meta.pop(POSITION))
    return [_outcome(asset, found) for found in result.results], result


def _expectation(asset: str, item: Expectation, position: int) -> Any:
    """Its position goes along, since Great Expectations returns results in an order of its own."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    meta = {**item["meta"], POSITION: position}
    try:
        return ExpectationConfiguration(type=item["type"], kwargs=item["kwargs"], meta=meta).to_domain_obj()
    except (GreatExpectationsError, ValueError, TypeError) as error:
        raise KnownatError(
            f"expectations: {asset}: Great Expectations refuses {item['type']} ({str(error).splitlines()[0]}); correct it."
        ) from error


def _plain(configuration: dict[str, Any]) -> Expectation:
    kwargs = {k: v for k, v in configuration["kwargs"].items() if k != "batch_id"}
    return {"type": configuration["type"], "kwargs": kwargs, "meta": configuration.get("meta", {})}


def _outcome(asset: str, found: Any) -> Outcome:
    record = found.to_json_dict()
    configuration = _plain(record["expectation_config"])
    raised = record["exception_info"]
    problem = _exception(raised)
    evidence = {key: value for key in SHOWN if (value := record["result"].get(key)) is not None}
    if "partial_unexpected_list" in evidence:
        evidence["partial_unexpected_list"] = evidence["partial_unexpected_list"][:5]
    return Outcome(
        asset=asset,
        expectation=configuration["type"],
        column=configuration["kwargs"].get("column"),
        success=bool(record["success"]) and problem is None,
        reason=configuration["meta"].get("reason", configuration["type"]),
        found=problem or json.dumps({key: _python(value) for key, value in evidence.items()}, default=str),
        configuration=configuration,
    )


def _python(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _exception(info: dict[str, Any]) -> str | None:
    """The message of whatever was raised; Great Expectations nests it by metric or not at all."""
    if "raised_exception" in info:
        info = {"": info}
    messages = [str(i.get("exception_message")) for i in info.values() if isinstance(i, dict) and i.get("raised_exception")]
    return f"raised: {messages[0].splitlines()[0]}" if messages else None
