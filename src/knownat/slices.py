"""Scores of parts of the rows: by the values of an input, and by calendar quarter."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sklearn import metrics

from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.plots import Points
from knownat.scores import THRESHOLD, Floats, Labels, auc, ranking, rounded
from knownat.splits import TIME

LEAST_ROWS = 50

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Judged:
    """Rows with their label, and what the model and the peer foretold of each."""

    rows: pa.Table
    labels: Labels
    probabilities: Floats
    peer: Floats


def slices(judged: Judged, names: Sequence[str], encoder: Encoder) -> Points:
    """Scores by the values of each named input; KnownatError for a name that is no input."""
    refuse_unknown(names, encoder)
    found: list[Mapping[str, float | str]] = []
    for name in names:
        for value, mask in parts(values_of(judged.rows, name), judged.labels):
            words = f"{name} = {value}" if value else f"{name} is missing"
            found.append({"slice": words, "input": name, "value": value, **_scores(judged, mask)})
    return found


def quarters(judged: Sequence[Judged]) -> Points:
    """Scores by the calendar quarter, in UTC, of the moment that was asked about."""
    every = Judged(
        pa.concat_tables([part.rows.select([TIME]) for part in judged]),
        *(np.concatenate([getattr(part, name) for part in judged]) for name in ("labels", "probabilities", "peer")),
    )
    at = every.rows[TIME]
    names = pc.binary_join_element_wise(pc.year(at).cast(pa.string()), pc.quarter(at).cast(pa.string()), "-Q")
    return [
        {"quarter": quarter, **_scores(every, mask), "peer_auc": auc(every.labels[mask], every.peer[mask])}
        for quarter, mask in parts(names, every.labels)
    ]


def refuse_unknown(names: Sequence[str], encoder: Encoder) -> None:
    known = [i.name for i in encoder.inputs]
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, 1)
            remedy = f"did you mean '{close[0]}'?" if close else "write <view>__<feature>."
            raise KnownatError(f"params.yaml: evaluate.slices: service '{encoder.service}' has no input '{name}'; {remedy}")


def values_of(rows: pa.Table, name: str) -> pa.ChunkedArray:
    """An input's values as text, "" where there is none."""
    return pc.fill_null(rows[name].cast(pa.string()), "")


def parts(values: pa.ChunkedArray, labels: Labels, least: int = LEAST_ROWS) -> Iterator[tuple[str, Mask]]:
    """Each value, in order, that has enough rows and both labels, and which rows have it."""
    codes = values.combine_chunks().dictionary_encode()
    places = codes.indices.to_numpy(zero_copy_only=False)
    for value, place in sorted((value, place) for place, value in enumerate(codes.dictionary.to_pylist())):
        mask = places == place
        if mask.sum() >= least and 0 < labels[mask].mean() < 1:
            yield value, mask


def part_scores(judged: Judged) -> dict[str, float]:
    """The columns of a plot file that all parts have."""
    return _scores(judged, np.ones(len(judged.labels), dtype=np.bool_))


def _scores(judged: Judged, mask: Mask) -> dict[str, float]:
    labels, probabilities = judged.labels[mask], judged.probabilities[mask]
    return {
        "rows": len(labels),
        "label_rate": rounded(labels.mean()),
        **ranking(labels, probabilities),
        "log_loss": rounded(metrics.log_loss(labels, probabilities)),
        "accuracy": rounded(metrics.accuracy_score(labels, probabilities >= THRESHOLD)),
    }
