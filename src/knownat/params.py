"""The typed form of `params.yaml`: shared keys first, then one section for each stage that has knobs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, ByteSize, Field, model_validator

from knownat.declaration import Model, Name, Span, in_utc, span
from knownat.errors import KnownatError
from knownat.loading import read_yaml, validated

EncodingKind = Literal["scale", "log", "index", "one_hot", "words"]


def _utc(value: object) -> object:
    """A date, a time or ISO text as an aware time in UTC: what has no zone is meant in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return in_utc(value)
    return datetime(value.year, value.month, value.day, tzinfo=UTC) if isinstance(value, date) else value


def _hash(value: str) -> str:
    if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
        raise ValueError("a sha256 is 64 lower-case hexadecimal digits")
    return value


Instant = Annotated[datetime, BeforeValidator(_utc)]


class Source(Model):
    """Where one table comes from: a generator script, a local file, `https://` or `s3://` (pinned by `sha256`)."""

    uri: str = Field(min_length=1)
    observed_at: Instant
    rows: int | None = Field(None, gt=0)
    seed: int | None = None
    sha256: Annotated[str, AfterValidator(_hash)] | None = None

    @property
    def is_remote(self) -> bool:
        return "://" in self.uri

    @property
    def is_generator(self) -> bool:
        return not self.is_remote and self.uri.endswith(".py")


class Split(Model):
    """Where one part of the training set ends and the next begins, by the event's own time.

    `embargo`: how long before the next part starts a label must be known for its row to count (see `maturity`).
    """

    validation_from: Instant
    test_from: Instant
    embargo: Span | None = None

    @property
    def margin(self) -> timedelta:
        """The embargo as a timedelta; none is 0."""
        return span(self.embargo) if self.embargo else timedelta()

    @model_validator(mode="after")
    def _ordered(self) -> Split:
        if self.validation_from >= self.test_from:
            raise ValueError("validation_from must lie before test_from")
        if self.margin >= self.test_from - self.validation_from:
            raise ValueError(
                "embargo must be shorter than the time from validation_from to test_from, or no row of validation counts"
            )
        return self


class SparkSettings(Model):
    master: str = "local[*]"
    conf: dict[str, str] = {}


class OfflineStoreSettings(Model):
    """Which of the offline stores joins the training set, and how much memory DuckDB may hold before it spills to disk."""

    type: Literal["duckdb", "spark"] = "duckdb"
    memory_limit: str = Field(default="2GB", pattern=r"^[1-9][0-9]*([.][0-9]+)? ?[KMGT]i?B$")


class PreprocessSettings(Model):
    """`subset`: the share of the events' entities that is kept, by a hash of their key: 0.05 is part of 0.1.

    `quarantine_max_share`: the share of a table's rows, unparsed ones included, that may be in quarantine.
    """

    filters: list[Name] = []
    subset: float = Field(default=1, gt=0, le=1)
    partitions: int = Field(default=4, gt=0)
    quarantine_max_share: float = Field(default=0.05, ge=0, le=1)


class ValidateSettings(Model):
    """`engine`: what judges: pandas, Spark, or (auto) Spark where `spark.master` is a cluster and pandas elsewhere.

    `max_bad_share`: the share of raw rows that may be unreadable before the raw gate fails.

    `max_single_auc`: how well one feature alone may separate the label before the training set's gate fails.
    """

    engine: Literal["auto", "pandas", "spark"] = "auto"
    max_bad_share: float = Field(default=0.05, ge=0, le=1)
    max_single_auc: float = Field(default=0.95, ge=0.5, le=1)


class TrainSettings(Model):
    """`class_weight`: balanced makes both labels weigh the same in the loss; `calibration` then mends the probabilities.

    `category_dropout`: the share of the categories' columns, and `dropout`: of hidden units, that a step does not see.

    `memory_limit`: how large the encoded rows of a split may be; larger ones are read from the disk in each epoch.
    """

    batch_size: int = Field(gt=0)
    learning_rate: float = Field(gt=0)
    epochs: int = Field(gt=0)
    layers: list[Annotated[int, Field(gt=0)]]
    embedding: int = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    category_dropout: float = Field(default=0, ge=0, lt=1)
    class_weight: Literal["none", "balanced"] = "none"
    calibration: Literal["none", "platt"] = "platt"
    l2: float = Field(ge=0)
    patience: int = Field(gt=0)
    memory_limit: ByteSize = ByteSize(2_000_000_000)
    seed: int = Field(ge=0)


class EvaluateSettings(Model):
    """`slices`: inputs, by whose values the scores are also given, such as a category; `knownat promote` too looks at the first."""

    slices: list[str] = []


class PromoteSettings(Model):
    """How much worse than the champion a model may be by its AUC, its log loss and the AUC of any slice.

    Nothing is judged, be it a slice or the whole, on fewer than `min_rows`.
    """

    max_auc_loss: float = Field(default=0.002, ge=0)
    max_log_loss_gain: float = Field(default=0.002, ge=0)
    max_slice_auc_loss: float = Field(default=0.02, ge=0)
    min_rows: int = Field(default=200, gt=0)


class ServingSettings(Model):
    """`clock`: the moment that the endpoint takes for now, such as a frozen data set's observed_at; null: the real time.

    `stale_after`: how far the online store may lag behind the moment asked about before what it says is not used.

    `deadline_ms`: by when a request is answered, with 503 if need be; `max_concurrency`: how many are worked on or wait.
    """

    clock: Instant | None = None
    stale_after: Span = "2d"
    max_batch: int = Field(default=100, gt=0, le=1000)
    max_concurrency: int = Field(default=64, gt=0)
    deadline_ms: int = Field(default=250, ge=50, le=60_000)

    @property
    def deadline(self) -> float:
        """In seconds."""
        return self.deadline_ms / 1000


class Params(Model):
    sources: dict[Name, Source] = Field(min_length=1)
    service: Name
    split: Split
    offline_store: OfflineStoreSettings = OfflineStoreSettings()
    spark: SparkSettings = SparkSettings()
    preprocess: PreprocessSettings = PreprocessSettings()
    validate_: ValidateSettings = Field(default=ValidateSettings(), alias="validate")
    encode: dict[str, EncodingKind] = {}
    train: TrainSettings
    evaluate: EvaluateSettings = EvaluateSettings()
    promote: PromoteSettings = PromoteSettings()
    serving: ServingSettings = ServingSettings()

    @classmethod
    def load(cls, path: Path = Path("params.yaml")) -> Params:
        return validated(cls, read_yaml(path), path)

    @property
    def observed_at(self) -> datetime:
        """The data's own clock: up to when all of the sources were observed."""
        return min(source.observed_at for source in self.sources.values())

    def source(self, table: str) -> Source:
        if table not in self.sources:
            raise KnownatError(f"params.yaml: sources: table '{table}' has no source; add sources.{table}.uri.")
        return self.sources[table]
