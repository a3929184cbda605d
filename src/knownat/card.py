"""The model card: what the model reads, how it was made and how well it does, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knownat.declaration import Declaration, ModelInput, Service
from knownat.encoder import Encoder
from knownat.limits import Period
from knownat.params import Params
from knownat.plots import Points
from knownat.splits import Split

SHOWN = 3
PEER = (
    "Peer: gradient boosting on the same rows and features, with scikit-learn's defaults."
    " In 95 % of 1,000 bootstrap draws, our AUC on test less the peer's lies between {auc_gap_low:.4f} and {auc_gap_high:.4f}."
    " Majority: always the more frequent label of the split, with that label's share as the probability."
)
COLUMNS = ("auc", "accuracy", "pr_auc", "log_loss", "brier", "calibration_error")


@dataclass(frozen=True)
class Facts:
    """What a card tells of one evaluation; `hashes` are the sha256 of each file that it was made from, `lineage` its one id."""

    splits: Mapping[Split, int]
    periods: Mapping[Split, Period]
    scores: Mapping[Split, Any]
    slices: Points
    limits: Sequence[str]
    hashes: Mapping[str, str]
    lineage: str


def card(declaration: Declaration, encoder: Encoder, params: Params, facts: Facts) -> str:
    """The same content gives the same text: no date, no commit."""
    service, label = declaration.service(encoder.service), declaration.outcome
    training = {"service": params.service, **params.split.model_dump(mode="json"), **params.train.model_dump()}
    parts = [
        f"# Model card: {encoder.service}",
        service.description,
        f"It foretells **{label.name}** as of **{service.as_of}**. {label.description}".strip(),
        f"Lineage: `{facts.lineage}` (`knownat lineage {facts.lineage[:12]}` tells what it was made from)",
        "## Scores",
        _table(["split", "rows", "auc, 95 %", *COLUMNS], _score_rows(facts.scores)),
        PEER.format(**facts.scores["test"]["peer"]),
        *_slices(facts.slices),
        "## Limits",
        "\n".join(f"- {limit}" for limit in facts.limits),
        "## Inputs",
        _table(["input", "dtype", "enters as", "description"], _input_rows(declaration, encoder)),
        *_waivers(service),
        "## Training",
        _table(["split", "rows", "first event", "last event"], _split_rows(facts)),
        _table(["parameter", "value"], [[name, "none" if value is None else str(value)] for name, value in training.items()]),
        "## Made from",
        _table(["file", "sha256"], [[name, f"`{value}`"] for name, value in facts.hashes.items()]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _split_rows(facts: Facts) -> list[list[str]]:
    ends = {name: [f"{at:%Y-%m-%d %H:%M} UTC" for at in period] for name, period in facts.periods.items()}
    return [[name, str(rows), *ends.get(name, ["", ""])] for name, rows in facts.splits.items()]


def _slices(slices: Points) -> list[str]:
    """The slices with the lowest and the highest AUC; nothing where there are none."""
    if not slices:
        return []
    ranked = sorted(slices, key=lambda found: (found["auc"], found["slice"]))
    shown = ranked if len(ranked) <= 2 * SHOWN else [*ranked[:SHOWN], *ranked[-SHOWN:]]
    rows = [[str(found["slice"]), str(found["rows"]), f"{found['auc']:.4f}", _interval(found)] for found in shown]
    said = f"The worst and the best of {len(ranked)} slices of test, by AUC."
    return ["## Slices", said, _table(["slice", "rows", "auc", "auc, 95 %"], rows)]


def _interval(found: Mapping[str, Any]) -> str:
    return f"{found['auc_low']:.4f} to {found['auc_high']:.4f}"


def _score_rows(scores: Mapping[Split, Any]) -> list[list[str]]:
    rows = []
    for split, found in scores.items():
        rows.append([split, str(found["rows"]), _interval(found), *(f"{found[name]:.4f}" for name in COLUMNS)])
        for other in ("peer", "majority"):
            rows.append([f"{split}, {other}", "", "", *(f"{found[other][n]:.4f}" if n in found[other] else "" for n in COLUMNS)])
    return rows


def _input_rows(declaration: Declaration, encoder: Encoder) -> list[list[str]]:
    declared = {i.name: i for i in declaration.inputs(encoder.service)}
    return [[f"`{i.name}`", i.dtype, i.kind, _description(declared[i.name])] for i in encoder.inputs]


def _waivers(service: Service) -> list[str]:
    """The features that the leakage audit lets pass, and why; nothing where there are none."""
    if not service.waivers:
        return []
    rows = [[f"`{name}`", reason] for name, reason in service.waivers.items()]
    return ["## Waivers", "What the leakage audit lets pass, and why.", _table(["input", "reason"], rows)]


def _description(feature: ModelInput) -> str:
    window = f"last {feature.feature.window}" if feature.feature.window else ""
    return ", ".join(text for text in (feature.feature.declared.description, window) if text)


def _table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; a bar or a line break in a text does not break it."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(' '.join(cell.replace('|', chr(92) + '|').split()) for cell in line)} |" for line in lines)
