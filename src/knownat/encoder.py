"""The encoder: how each raw value enters the model, as plain numbers and words that Spark fitted and Keras rebuilds."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from knownat.declaration import Declaration, FeatureDtype, Model
from knownat.errors import KnownatError
from knownat.params import EncodingKind

# how many words of a text are read
LENGTH = 20

NumberKind = Literal["scale", "log", "flag"]
CategoryKind = Literal["index", "one_hot"]
Kind = Literal["scale", "log", "flag", "index", "one_hot", "words"]

Plan = Mapping[str, tuple[FeatureDtype, Kind]]

DEFAULTS: dict[FeatureDtype, Kind] = {"float64": "scale", "int64": "scale", "string": "one_hot", "bool": "flag"}
ALLOWED: dict[FeatureDtype, tuple[EncodingKind, ...]] = {
    "float64": ("scale", "log"),
    "int64": ("scale", "log", "index", "one_hot"),
    "string": ("index", "one_hot", "words"),
    "bool": ("scale",),
}
LABELS = ("false", "true")


class Number(Model):
    """A number as the model reads it: (x - mean) / std, where x is ln(value + 1) for `log`; a flag stays 0 or 1.

    Missing is what is null, not finite, or negative under `log`: it becomes the mean, and 1 in the indicator's column.
    A constant (std 0) becomes 0.
    """

    name: str
    dtype: Literal["float64", "int64", "bool"]
    kind: NumberKind
    mean: float
    std: float
    has_missing: bool

    @property
    def indicator(self) -> str:
        return f"{self.name}__missing"

    @property
    def columns(self) -> list[str]:
        return [self.name, self.indicator] if self.has_missing else [self.name]


class Category(Model):
    """A word, or a whole number as one, by its place in the vocabulary; null, "" and unseen go after it."""

    name: str
    dtype: Literal["string", "int64"]
    kind: CategoryKind
    vocabulary: list[str]

    @property
    def size(self) -> int:
        return len(self.vocabulary) + 1

    @property
    def columns(self) -> list[str]:
        if self.kind == "index":
            return [self.name]
        return [*(f"{self.name}={word}" for word in self.vocabulary), f"{self.name}__other"]


class Text(Model):
    """A text as its first words, each by its place in the vocabulary from 1 on; 0 for an unseen word and for none."""

    name: str
    dtype: Literal["string"]
    kind: Literal["words"]
    vocabulary: list[str]

    @property
    def size(self) -> int:
        return len(self.vocabulary) + 1

    @property
    def columns(self) -> list[str]:
        return [f"{self.name}[{place}]" for place in range(LENGTH)]


EncodedInput = Annotated[Number | Category | Text, Field(discriminator="kind")]


class Encoder(Model):
    """All that was fitted on the train split, in declared order; enough to rebuild the encoding layers."""

    service: str
    label: str
    inputs: list[EncodedInput] = Field(min_length=1)

    @classmethod
    def read(cls, path: Path) -> Encoder:
        if not path.exists():
            raise KnownatError(f"{path} is missing; run `dvc repro encode` (or `dvc pull`) to make it.")
        return cls.model_validate_json(path.read_bytes())

    @property
    def label_columns(self) -> list[str]:
        return [f"{self.label}={value}" for value in LABELS]

    @property
    def embedded(self) -> list[Category | Text]:
        """The inputs of which the model reads places: those by index, then the texts."""
        indexed = [i for i in self.inputs if isinstance(i, Category) and i.kind == "index"]
        return [*indexed, *(i for i in self.inputs if isinstance(i, Text))]

    @property
    def number_columns(self) -> list[str]:
        """The columns of numbers, flags and indicators."""
        return [column for i in self.inputs if isinstance(i, Number) for column in i.columns]

    @property
    def one_hot_columns(self) -> list[str]:
        """A column for each word of the inputs that are spread out."""
        return [column for i in self.inputs if isinstance(i, Category) and i.kind == "one_hot" for column in i.columns]


def plan(declaration: Declaration, service: str, encode: Mapping[str, EncodingKind]) -> Plan:
    """Name → dtype and kind of each input of a service, in declared order; refuses what params.encode gets wrong."""
    known = {i.name: i.feature.dtype for other in declaration.services for i in declaration.inputs(other)}
    for name, kind in encode.items():
        if name not in known:
            raise KnownatError(f"params.yaml: encode: no service has an input '{name}'; {_remedy(name, list(known))}")
        if kind not in ALLOWED[known[name]]:
            allowed = " or ".join(ALLOWED[known[name]])
            raise KnownatError(f"params.yaml: encode.{name}: '{kind}' does not fit {known[name]}; use {allowed}.")
    inputs = declaration.inputs(service)
    return {i.name: (i.feature.dtype, encode.get(i.name, DEFAULTS[i.feature.dtype])) for i in inputs}


def _remedy(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean '{close[0]}'?" if close else "remove it, or write <view>__<feature>."
