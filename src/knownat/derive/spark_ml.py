"""From the plan of a service's inputs to Spark ML's transformers, fitted, and to the encoder that describes them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from knownat.declaration import FeatureDtype
from knownat.encoder import Category, EncodedInput, Encoder, Kind, Number, Plan, Text
from knownat.words import vocabulary

if TYPE_CHECKING:
    from pyspark.ml import PipelineModel
    from pyspark.sql import Column, DataFrame, Row

# In Spark, columns go by number: names of columns as long as a sentence, dots and quotes included, come last, in Arrow.
LABEL, SCALED = "label", "scaled"


@dataclass(frozen=True)
class Layout:
    """Which inputs are scaled, which are flags and which are words; an input's Spark column is its number."""

    plan: Plan

    def column(self, name: str) -> str:
        return f"input_{list(self.plan).index(name)}"

    def columns(self, *kinds: Kind) -> list[str]:
        return [self.column(name) for name, (_, kind) in self.plan.items() if kind in kinds]

    @property
    def scaled(self) -> list[str]:
        return self.columns("scale", "log")

    @property
    def numbers(self) -> list[str]:
        return self.columns("scale", "log", "flag")

    @property
    def words(self) -> list[str]:
        return self.columns("index", "one_hot")


@dataclass(frozen=True)
class Fitted:
    """The encoder, and the Spark ML models that it describes."""

    encoder: Encoder
    layout: Layout
    models: PipelineModel


def cleaned(rows: DataFrame, layout: Layout, label: str, *others: str) -> DataFrame:
    """The label and each input, cleaned: what is missing is null, logarithms are taken, categories are text."""
    from pyspark.sql import functions as F

    values = [_clean(F.col(name), dtype, kind).alias(layout.column(name)) for name, (dtype, kind) in layout.plan.items()]
    return rows.select(*others, F.col(label).cast("string").alias(LABEL), *values)


def _clean(value: Column, dtype: FeatureDtype, kind: Kind) -> Column:
    from pyspark.sql import functions as F

    if kind in {"index", "one_hot", "words"}:
        return F.nullif(value.cast("string"), F.lit(""))
    number = value.cast("int").cast("double") if dtype == "bool" else value.cast("double")
    # in Spark NaN is greater than any number
    finite = F.when(F.abs(number) < float("inf"), number)
    return F.when(finite >= 0, F.log(finite + 1)) if kind == "log" else finite


def fit(train: DataFrame, layout: Layout, service: str, label: str) -> Fitted:
    """Fit on cleaned rows: one partition in a fixed order, since a sum of doubles depends on theirs."""
    from pyspark.ml import Pipeline
    from pyspark.ml.feature import OneHotEncoder, StandardScaler, StringIndexer, VectorAssembler

    profile = _profile(train, layout)
    fills = {column: _fill(profile, column) for column in layout.numbers}
    words, one_hot = [LABEL, *layout.words], [LABEL, *layout.columns("one_hot")]
    stages: list[Any] = [
        StringIndexer(inputCols=words, outputCols=indexed(words), handleInvalid="keep", stringOrderType="alphabetAsc"),
        OneHotEncoder(inputCols=indexed(one_hot), outputCols=hot(one_hot), dropLast=False),
    ]
    if layout.scaled:
        stages += [
            VectorAssembler(inputCols=layout.scaled, outputCol="assembled"),
            StandardScaler(inputCol="assembled", outputCol=SCALED, withMean=True, withStd=True),
        ]
    models = Pipeline(stages=stages).fit(train.fillna(fills) if fills else train)
    inputs = _inputs(profile, layout, models, _vocabularies(train, layout.columns("words")))
    return Fitted(Encoder(service=service, label=label, inputs=inputs), layout, models)


def indexed(columns: Iterable[str]) -> list[str]:
    return [f"{column}_index" for column in columns]


def hot(columns: Iterable[str]) -> list[str]:
    return [f"{column}_hot" for column in columns]


def _vocabularies(train: DataFrame, columns: list[str]) -> dict[str, list[str]]:
    """The words of each column of texts."""
    if not columns:
        return {}
    texts = train.select(*columns).toArrow()
    return {column: vocabulary(texts[column]) for column in columns}


def _profile(train: DataFrame, layout: Layout) -> Row:
    """Of each number: how many rows have it, its mean, least and greatest."""
    from pyspark.sql import functions as F

    aggregates = [F.count("*").alias("rows")]
    for column in layout.numbers:
        functions = {"present": F.count, "mean": F.avg, "min": F.min, "max": F.max}
        aggregates += [function(column).alias(f"{column}_{name}") for name, function in functions.items()]
    row = train.agg(*aggregates).first()
    assert row is not None
    return row


def _fill(profile: Row, column: str) -> float:
    """What stands for a missing number while fitting: the mean; a constant itself, since its mean may be a bit off."""
    is_constant = profile[f"{column}_min"] == profile[f"{column}_max"]
    return float(profile[f"{column}_min" if is_constant else f"{column}_mean"] or 0)


def _inputs(profile: Row, layout: Layout, models: PipelineModel, texts: dict[str, list[str]]) -> list[EncodedInput]:
    vocabularies = dict(zip(layout.words, models.stages[0].labelsArray[1:], strict=True)) | texts
    means, stds = (models.stages[-1].mean, models.stages[-1].std) if layout.scaled else ([], [])
    moments = dict(zip(layout.scaled, zip(means, stds, strict=True), strict=True))
    inputs: list[EncodedInput] = []
    for name, (dtype, kind) in layout.plan.items():
        column = layout.column(name)
        if column in vocabularies:
            content: dict[str, Any] = {"vocabulary": list(vocabularies[column])}
        else:
            mean, std = moments.get(column, (_fill(profile, column), 1.0))
            missing = profile[f"{column}_present"] < profile["rows"]
            content = {"mean": float(mean), "std": float(std), "has_missing": missing}
        model = Text if column in texts else Category if column in vocabularies else Number
        inputs.append(model.model_validate({"name": name, "dtype": dtype, "kind": kind, **content}))
    return inputs
