"""The model card: what the model reads, how it was made and how well it does, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from knownat.declaration import Declaration, ModelInput, Service
from knownat.encoder import Encoder
from knownat.params import Params
from knownat.splits import Split

COLUMNS = ("auc", "accuracy", "pr_auc", "log_loss", "brier", "calibration_error")


def card(
    *,
    declaration: Declaration,
    encoder: Encoder,
    params: Params,
    rows: Mapping[Split, int],
    scores: Mapping[Split, Any],
    hashes: Mapping[str, str],
) -> str:
    """The same content gives the same text: no date, no commit."""
    service, label = declaration.service(encoder.service), declaration.outcome
    training = {"service": params.service, **params.split.model_dump(mode="json"), **params.train.model_dump()}
    parts = [
        f"# Model card: {encoder.service}",
        service.description,
        f"It foretells **{label.name}** as of **{service.as_of}**. {label.description}".strip(),
        "## Scores",
        _table(["split", "rows", *COLUMNS], _score_rows(scores)),
        "Peer: gradient boosting on the same rows and features, with scikit-learn's defaults."
        " Majority: always the more frequent label of the split, with that label's share as the probability.",
        "## Inputs",
        _table(["input", "dtype", "enters as", "description"], _input_rows(declaration, encoder)),
        *_waivers(service),
        "## Training",
        _table(["split", "rows"], [[name, str(count)] for name, count in rows.items()]),
        _table(["parameter", "value"], [[name, "none" if value is None else str(value)] for name, value in training.items()]),
        "## Made from",
        _table(["file", "sha256"], [[name, f"`{value}`"] for name, value in hashes.items()]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _score_rows(scores: Mapping[Split, Any]) -> list[list[str]]:
    rows = []
    for split, found in scores.items():
        rows.append([split, str(found["rows"]), *(f"{found[name]:.4f}" for name in COLUMNS)])
        for other in ("peer", "majority"):
            rows.append([f"{split}, {other}", "", *(f"{found[other][n]:.4f}" if n in found[other] else "" for n in COLUMNS)])
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
