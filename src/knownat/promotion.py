"""Promoting a model: it replaces the champion only if it does no worse on rows that neither has learned from."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from knownat import paths
from knownat.champion import Champion, workspace_files
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.gates import data_of, require
from knownat.lock import LOCK, lineage_in
from knownat.params import Params
from knownat.reproduced import expect_reproduced
from knownat.slices import refuse_unknown
from knownat.splits import TIME, refuse_unusable, rows_of
from knownat.standing import Standing, losses, shown, standing_of


class IncomparableError(KnownatError):
    """The champion cannot be judged on today's rows."""


@dataclass(frozen=True)
class Decision:
    """`lines`: what was compared; `reasons`: what speaks against the model; `champion`: what it would be written as.

    A model that is the champion already has neither reasons nor anything to be written.
    """

    lines: list[str]
    reasons: list[str]
    champion: Champion | None


def decide(params: Params, path: Path, *, uncompared: bool = False) -> Decision:
    """Compare the workspace's model with the champion of `path` (champion.json); nothing is written.

    `uncompared`: a champion that cannot be judged on today's rows (gone, of another service, with other inputs) gives way.
    Raises KnownatError where the workspace is not what dvc.lock says.
    """
    from knownat.parquet import content_hash, read

    expect_reproduced()
    require("training_set", data_of("training_set"))
    champion, files = Champion.read(path), workspace_files()
    if champion and (champion.service, champion.files) == (params.service, files):
        return Decision([f"This model is the champion of service '{params.service}' already."], [], None)
    encoder, rows = Encoder.read(paths.ENCODER), rows_of(read(paths.TRAINING_SET), "test")
    refuse_unknown(params.evaluate.slices, encoder)
    refuse_unusable("test", rows[encoder.label])
    after, lines, reasons = _judged(champion, encoder, rows, params, uncompared)
    # from the rows and not from split.test_from, which may have been edited since
    unseen_from = pc.min(rows[TIME]).as_py()
    training_set = content_hash(paths.TRAINING_SET)
    challenger = Champion(
        service=params.service,
        lineage=lineage_in(LOCK.read_text(encoding="utf-8")),
        files=files,
        training_set=training_set,
        unseen_from=unseen_from,
        standing=after,
    )
    return Decision(lines, reasons, challenger)


def _judged(
    champion: Champion | None, encoder: Encoder, rows: pa.Table, params: Params, uncompared: bool
) -> tuple[Standing, list[str], list[str]]:
    """The model's standing, what there is to say of it, and what speaks against it."""
    said, reasons = "There is no champion yet.", list[str]()
    if champion:
        try:
            fair = _unseen(champion, params, encoder, rows)
            before = _standing(champion, encoder, fair, params)
        except IncomparableError as error:
            said, reasons = str(error), [] if uncompared else ["Nothing was compared; --uncompared promotes it all the same."]
        else:
            after = standing_of(paths.MODEL, encoder, fair, params)
            said = f"On {after.rows:,} test rows that neither has learned from, champion → challenger:"
            reasons = [str(loss) for loss in losses(before, after, params.promote) if loss.is_too_much]
            return after, [said, *shown(before, after)], reasons + _worthless(after, fair, encoder)
    after = standing_of(paths.MODEL, encoder, rows, params)
    return after, [said, f"On {after.rows:,} test rows:", *shown(after)], reasons + _worthless(after, rows, encoder)


def _unseen(champion: Champion, params: Params, encoder: Encoder, rows: pa.Table) -> pa.Table:
    """The test rows that neither model has learned from."""
    if champion.service != params.service:
        raise IncomparableError(
            f"The champion serves '{champion.service}', this model '{params.service}': they do not answer the same question."
        )
    late = rows.filter(pc.field(TIME) >= pa.scalar(champion.unseen_from, rows.schema.field(TIME).type))
    if late.num_rows < params.promote.min_rows or pc.count_distinct(late[encoder.label]).as_py() < 2:
        raise IncomparableError(
            f"No fair comparison: of {rows.num_rows:,} test rows, {late.num_rows:,} are from {champion.unseen_from:%Y-%m-%d}"
            f" on, up to when the champion has learned; it takes promote.min_rows ({params.promote.min_rows:,}) of both labels."
        )
    return late


def _standing(champion: Champion, today: Encoder, rows: pa.Table, params: Params) -> Standing:
    """How the champion does on rows; IncomparableError where its files or its inputs are gone."""
    with tempfile.TemporaryDirectory(prefix="knownat-champion-") as folder:
        try:
            model, encoder_file = champion.fetch(Path(folder))
        except KnownatError as error:
            raise IncomparableError(str(error)) from error
        try:
            encoder = Encoder.read(encoder_file)
            _expect_inputs(encoder, today)
            return standing_of(model, encoder, rows, params)
        except IncomparableError:
            raise
        except (KnownatError, ValueError) as error:
            raise IncomparableError("The champion's files are whole, but today's code cannot run them.") from error


def _expect_inputs(champion: Encoder, today: Encoder) -> None:
    if champion.label != today.label:
        raise IncomparableError(f"The champion foretells {champion.label}, this model {today.label}.")
    types = {found.name: found.dtype for found in today.inputs}
    for found in champion.inputs:
        if found.name not in types:
            raise IncomparableError(f"The champion reads {found.name}, which today's training set does not have.")
        if types[found.name] != found.dtype:
            raise IncomparableError(f"The champion reads {found.name} as {found.dtype}; today it is {types[found.name]}.")


def _worthless(standing: Standing, rows: pa.Table, encoder: Encoder) -> list[str]:
    """Why even the first model is not promoted."""
    rate = pc.mean(rows[encoder.label].cast(pa.float64())).as_py()
    constant = float(-(rate * np.log(rate) + (1 - rate) * np.log(1 - rate)))
    if standing.auc <= 0.5 or standing.log_loss >= constant:
        return [
            f"It tells nothing: AUC {standing.auc:.4f} (chance: 0.5),"
            f" log loss {standing.log_loss:.4f} (the label rate alone: {constant:.4f})."
        ]
    return []
