"""The data sets of this run beside their accepted versions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from knownat import accepted
from knownat.accepted import Accepted, Version
from knownat.changes import Change, changes, rows_changed
from knownat.data_sets import DataSet, Measured, data_sets, measured
from knownat.declaration import Declaration
from knownat.params import Params
from knownat.report.numbers import count

NOTHING = "no accepted version of this source and size; `knownat accept` makes this one the first"


@dataclass(frozen=True)
class Seen:
    """A data set, and the accepted version of the same source and size, if there is one."""

    measured: Measured
    accepted: Version | None
    source: str

    @property
    def name(self) -> str:
        return self.measured.data_set.name

    @cached_property
    def changes(self) -> list[Change]:
        return changes(self.accepted, self.measured.version) if self.accepted else []

    @property
    def compared(self) -> str:
        """In a few words, how this version differs from the accepted one."""
        if self.accepted is None:
            return NOTHING
        if self.accepted.hash == self.measured.hash:
            return "the accepted version itself"
        number, of = len(self.changes), len(self.measured.columns)
        return f"{rows_changed(self.accepted, self.measured.version)}, {count(number)} of {count(of)} columns changed"


def shown_sets(declaration: Declaration) -> list[DataSet]:
    """Every table, feature view and the training set: what is raw is all text."""
    return [data_set for data_set in data_sets(declaration) if data_set.kind != "raw"]


def seen(declaration: Declaration, params: Params, known: Accepted) -> Iterator[Seen]:
    """Each of them as it is and as it was accepted, one at a time."""
    for data_set in shown_sets(declaration):
        source = accepted.identity(params, declaration, data_set.gate, data_set.name)
        version = known.version(data_set.gate, data_set.name, source)
        yield Seen(measured(data_set, declaration.outcome.name), version, source)
