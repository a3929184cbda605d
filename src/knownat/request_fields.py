"""One field of a request: what may be sent for it, and which values its declared bounds allow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from knownat.declaration import Constraints, in_utc
from knownat.errors import RefusedField

KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "int64": (int,), "float64": (int, float), "bool": (bool,), "timestamp": (str,), "date": (str,),
}  # fmt: skip


@dataclass(frozen=True)
class Bounds:
    """What a field's or feature's values must be; `low` and `high` as values of its dtype, `declared` as it is written."""

    name: str
    declared: Constraints
    is_required: bool
    low: Any
    high: Any
    allowed: frozenset[str | int] | None

    @classmethod
    def of(cls, name: str, dtype: str, declared: Constraints, is_required: bool = False) -> Bounds:
        low, high = (_limit(bound, dtype) for bound in (declared.min, declared.max))
        allowed = None if declared.values is None else frozenset(declared.values)
        return cls(name, declared, declared.required or is_required, low, high, allowed)

    def refuse_broken(self, value: Any) -> None:
        """Raise RefusedField, naming the bound, for a value outside what is declared."""
        if value is None:
            if self.is_required:
                raise RefusedField(self.name, f"{self.name} is missing; it is required.")
            return
        if self.low is not None and value < self.low:
            raise self._outside(value, f"below {self.declared.min}")
        if self.high is not None and value > self.high:
            raise self._outside(value, f"above {self.declared.max}")
        if self.allowed is not None and value not in self.allowed:
            values = ", ".join(map(str, self.declared.values or ()))
            raise RefusedField(self.name, f"{self.name}: {value!r} is not among its values; they are {values}.")

    def _outside(self, value: Any, where: str) -> RefusedField:
        return RefusedField(self.name, f"{self.name}: {value} is {where}; send a value within the declared bounds.")


def _limit(bound: float | str | None, dtype: str) -> Any:
    if not isinstance(bound, str):
        return bound
    limit = datetime.fromisoformat(bound)
    return limit.date() if dtype == "date" else in_utc(limit)


@dataclass(frozen=True)
class Field:
    """A raw column that a client sends."""

    name: str
    dtype: str
    bounds: Bounds

    def parsed(self, given: Any) -> Any:
        """The value that is meant: a number of its dtype, a `date`, a `datetime` in UTC; raises RefusedField."""
        value = None if given is None else self._typed(given)
        self.bounds.refuse_broken(value)
        return float(value) if self.dtype == "float64" and value is not None else value

    def _typed(self, given: Any) -> Any:
        is_kind: bool = isinstance(given, KINDS[self.dtype])
        if not is_kind or (isinstance(given, bool) and self.dtype != "bool"):
            raise self._refused(given, f"is no {self.dtype}; send one")
        if self.dtype == "string":
            return self._text(given)
        if self.dtype == "int64" and not -(2**63) <= given < 2**63:
            raise self._refused(given, "does not fit 64 bits; send a smaller number")
        if self.dtype == "float64" and not _is_finite(given):
            raise self._refused(given, "is no finite number; send one, or null")
        if self.dtype not in {"timestamp", "date"}:
            return given
        try:
            return date.fromisoformat(given) if self.dtype == "date" else in_utc(datetime.fromisoformat(given))
        except ValueError as error:
            raise self._refused(given, f"is no {self.dtype}; write it as 2017-12-31 or 2017-12-31T12:00:00Z") from error

    def _text(self, given: str) -> str:
        try:
            given.encode()
        except UnicodeEncodeError as error:  # half of a character, which JSON can write and no table can hold
            raise self._refused(given, "is no string; send one") from error
        return given

    def _refused(self, given: Any, sentence: str) -> RefusedField:
        return RefusedField(self.name, f"{self.name}: {given!r} {sentence}.")


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond float64
        return False
