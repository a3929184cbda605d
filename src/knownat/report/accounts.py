"""What became of each row, step by step, and the sums that prove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from knownat import paths
from knownat.declaration import Declaration
from knownat.errors import KnownatError
from knownat.maturity import Reason, cutoffs, held_back
from knownat.params import Params, Split
from knownat.report.numbers import count, moment
from knownat.splits import SPLIT, SPLITS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Step:
    """Rows there are (`stock`), rows that leave (`loss`) or a part of what is left (`part`), from row `start` on."""

    kind: Literal["stock", "loss", "part"]
    text: str
    rows: int
    start: int = 0


@dataclass(frozen=True)
class Flow:
    """The steps of one table's rows; `sums` say in words that each sum comes out."""

    table: str
    total: int
    steps: tuple[Step, ...]
    sums: tuple[str, ...]


def table_flow(table: str, account: Mapping[str, Any]) -> Flow:
    """From read to kept, as `preprocess` has accounted for it."""
    losses = {"rejected: cannot be parsed": account["rejected"]}
    losses |= {f"quarantined: {reason}": rows for reason, rows in account["quarantined"].items()} or {"quarantined": 0}
    losses |= {"duplicates": account["duplicates"]}
    losses |= {f"filtered: {name}": rows for name, rows in account["filtered"].items()}
    totals = {
        "kept": account["kept"],
        "rejected": account["rejected"],
        "quarantined": sum(account["quarantined"].values()),
        "duplicates": account["duplicates"],
        "filtered": sum(account["filtered"].values()),
    }
    if sum(totals.values()) != account["read"]:
        raise KnownatError(f"{paths.ROWS}: the rows of table {table} do not add up; run `dvc repro preprocess`.")
    read = account["read"]
    return Flow(table, read, _falling("read", read, losses, "kept"), (_sum(read, "read", totals),))


def labelled_flow(flow: Flow, events: pa.Table, splits: Mapping[str, int], declaration: Declaration, params: Params) -> Flow:
    """The event table's flow, continued to the training set and its splits."""
    losses = left_out(events, declaration, params)
    kept, rows = len(events), sum(splits.values())
    if flow.steps[-1].rows != kept or kept - sum(losses.values()) != rows:
        raise KnownatError(
            f"{paths.ROWS}, {paths.TABLES / flow.table} and {paths.TRAINING_SET} are not of one run: "
            f"{kept} rows kept, {sum(losses.values())} left out, {rows} in the training set; "
            "run `dvc repro retrieve`."
        )
    parts: dict[str, int] = {name: splits.get(name, 0) for name in SPLITS}
    steps = list(_falling("", kept, losses, "in the training set"))[1:]
    steps += [Step("part", name, n, sum(list(parts.values())[:i])) for i, (name, n) in enumerate(parts.items())]
    sums = (_sum(kept, "kept", {"in the training set": rows, **losses}), _sum(rows, "in the training set", parts))
    return Flow(flow.table, flow.total, (*flow.steps, *steps), (*flow.sums, *sums))


def left_out(events: pa.Table, declaration: Declaration, params: Params) -> dict[str, int]:
    """Why kept events are not in the training set, in words, and how many; each is counted under its first reason."""
    import pyarrow.compute as pc

    observed_at = params.source(declaration.event.table).observed_at
    words = worded(params.split, declaration.service(params.service).as_of, observed_at)
    masks = held_back(events, declaration, params.service, params.split, observed_at)
    return {words[reason]: int(pc.sum(mask).as_py() or 0) for reason, mask in masks.items()}


def worded(split: Split, as_of: str, observed_at: datetime) -> dict[Reason, str]:
    """Each reason with its moment, and with the embargo where there is one."""
    before = {part: moment(cutoff) for part, cutoff in cutoffs(split).items()}
    embargo = f" (embargo: {split.embargo})" if split.embargo else ""
    return {
        "no label": "no label",
        "label not known": f"label not known by {moment(observed_at)}",
        "not asked yet": f"{as_of} not reached by {moment(observed_at)}",
        "too late to train on": f"too late to train on: label not known before {before['train']}{embargo}",
        "too late to validate on": f"too late to validate on: label not known before {before['validation']}{embargo}",
    }


def _falling(first: str, rows: int, losses: Mapping[str, int], last: str) -> tuple[Step, ...]:
    steps = [Step("stock", first, rows)]
    for text, lost in losses.items():
        rows -= lost
        steps.append(Step("loss", text, lost, rows))
    return (*steps, Step("stock", last, rows))


def _sum(total: int, of: str, parts: Mapping[str, int]) -> str:
    """9,999 read = 9,998 kept + 1 quarantined"""
    shown = [f"{count(rows)} {name}" for i, (name, rows) in enumerate(parts.items()) if rows or i == 0]
    return f"{count(total)} {of} = {' + '.join(shown)}"


def split_sizes(training_set: pa.Table) -> dict[str, int]:
    import pyarrow.compute as pc

    return {part["values"]: part["counts"] for part in pc.value_counts(training_set[SPLIT]).to_pylist()}
