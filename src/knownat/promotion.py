"""Promoting a model: it replaces the champion only if it does no worse on rows that neither has learned from."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from knownat import paths
from knownat.champion import FILES, Champion, workspace_files
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.gates import data_of, require
from knownat.params import Params
from knownat.splits import TIME, refuse_unusable, rows_of
from knownat.standing import Standing, standing_of

STAGES = ("encode", "train", "evaluate")


class IncomparableError(KnownatError):
    """The champion cannot be judged on today's rows."""


@dataclass(frozen=True)
class Decision:
    """`lines`: what was compared; `reasons`: what speaks against the model; `champion`: what it would be written as.

    A model that is the champion already has neither reasons nor anything to be written.
    """

    lines: list[str]
    reasons: list[str] = field(default_factory=list)
    champion: Champion | None = None


def decide(params: Params, path: Path, *, uncompared: bool = False) -> Decision:
    """Compare the workspace's model with the champion of `path` (champion.json); nothing is written.

    `uncompared`: a champion that cannot be judged on today's rows (gone, of another service, with other inputs) gives way.
    Raises KnownatError where the workspace is not what dvc.lock says.
    """
    from knownat.parquet import content_hash, read

    _expect_reproduced()
    require("training_set", data_of("training_set"))
    champion, files = Champion.read(path), workspace_files()
    if champion and champion.files == files and champion.service == params.service:
        return Decision([f"This model is the champion of service '{champion.service}' already."])
    encoder, rows = Encoder.read(paths.ENCODER), rows_of(read(paths.TRAINING_SET), "test")
    before, lines, reasons = None, ["There is no champion yet."], list[str]()
    if champion:
        try:
            rows = _unseen(champion, params, encoder, rows)
            before = _standing(champion, rows, params)
        except IncomparableError as error:
            lines, reasons = [str(error)], [] if uncompared else ["Say --uncompared to promote without a comparison."]
    after = standing_of(paths.MODEL, encoder, rows, params)
    if before:
        lines, reasons = _judged(before, after, params)
    reasons += _worthless(after, rows, encoder)
    challenger = Champion(
        service=params.service,
        files=files,
        training_set=content_hash(paths.TRAINING_SET),
        unseen_from=params.split.test_from,
        standing=after,
    )
    return Decision(lines, reasons, challenger)


def _expect_reproduced() -> None:
    """Refuse a model, encoder or training set that the pipeline would make anew."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    for path in (*FILES, paths.TRAINING_SET):
        if not path.is_file():
            raise KnownatError(f"{path} is missing; run `dvc repro` (or `dvc pull`) first.")
    try:
        stale = sorted(Repo(".").status(targets=list(STAGES)))
    except DvcException as error:
        raise KnownatError(f"DVC cannot tell whether the model is what the pipeline makes: {error}") from error
    if stale:
        raise KnownatError(f"What is here is not what dvc.lock says (stage {', '.join(stale)}); run `dvc repro` first.")


def _unseen(champion: Champion, params: Params, encoder: Encoder, rows: pa.Table) -> pa.Table:
    """The test rows that neither model has learned from."""
    if champion.service != params.service:
        raise IncomparableError(
            f"The champion serves '{champion.service}', this model '{params.service}': they do not answer the same question."
        )
    late = rows.filter(pc.field(TIME) >= pa.scalar(champion.unseen_from, rows.schema.field(TIME).type))
    try:
        refuse_unusable("test", late[encoder.label])
    except KnownatError as error:
        raise IncomparableError(
            f"No fair comparison: there are not rows of both labels from {champion.unseen_from:%Y-%m-%d} on,"
            " up to when the champion has learned."
        ) from error
    return late


def _standing(champion: Champion, rows: pa.Table, params: Params) -> Standing:
    """How the champion does on rows; IncomparableError where its files or its inputs are gone."""
    with tempfile.TemporaryDirectory(prefix="knownat-champion-") as folder:
        try:
            files = champion.fetch(Path(folder))
            encoder = Encoder.read(files[paths.ENCODER])
            _expect_inputs(encoder, rows)
            return standing_of(files[paths.MODEL], encoder, rows, params)
        except KnownatError as error:
            raise IncomparableError(str(error)) from error


def _expect_inputs(encoder: Encoder, rows: pa.Table) -> None:
    types = {field.name: pa.types.is_string(field.type) for field in rows.schema}
    for found in encoder.inputs:
        if found.name not in types:
            raise IncomparableError(f"The champion reads {found.name}, which today's training set does not have.")
        if types[found.name] != (found.dtype == "string"):
            raise IncomparableError(f"The champion reads {found.name} as {found.dtype}, which it no longer is.")


def _judged(before: Standing, after: Standing, params: Params) -> tuple[list[str], list[str]]:
    allowed = params.promote
    scores = [
        ("AUC", before.auc, after.auc, before.auc - after.auc, allowed.max_auc_loss),
        ("log loss", before.log_loss, after.log_loss, after.log_loss - before.log_loss, allowed.max_log_loss_gain),
    ]
    if before.worst_slice and after.worst_slice:
        old, new = before.worst_slice, after.worst_slice
        name = f"AUC of the worst slice ({old.value}; {new.value})"
        scores.append((name, old.auc, new.auc, old.auc - new.auc, allowed.max_slice_auc_loss))
    lines = [f"On {after.rows:,} test rows that neither has learned from, champion → challenger:"]
    reasons = []
    for name, old_score, new_score, worse, most in scores:
        lines.append(f"  {name}: {old_score:.4f} → {new_score:.4f}")
        if worse > most:
            reasons.append(f"Its {name} is worse by {worse:.4f}; promote.{_key(name)} allows {most}.")
    return lines, reasons


def _key(name: str) -> str:
    return {"AUC": "max_auc_loss", "log loss": "max_log_loss_gain"}.get(name, "max_slice_auc_loss")


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
