"""The live model: the champion's bytes, checked before they are loaded, with all that a prediction by it needs."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knownat import paths
from knownat.champion import Champion, workspace_files
from knownat.declaration import Declaration
from knownat.derive.request import Request
from knownat.encoder import Encoder
from knownat.errors import KnownatError
from knownat.forward import Forward
from knownat.lineage import workspace_lineage
from knownat.params import ServingSettings
from knownat.prediction import Inputs


@dataclass(frozen=True, eq=False)
class Live:
    """`version`: the md5 of the model's file, as in dvc.lock; `lineage`: its id, None for a champion from before there was one.

    `base`: what every answer says of the model.
    """

    service: str
    declaration: Declaration
    request: Request
    inputs: Inputs
    forward: Forward
    champion: Champion | None
    version: str
    lineage: str | None

    @property
    def base(self) -> dict[str, Any]:
        return {
            "label": self.declaration.outcome.name,
            "service": self.service,
            "trained_as_of": self.declaration.service(self.service).as_of,
            "model": self.version,
            "lineage": self.lineage,
        }


def of_champion(settings: ServingSettings) -> Live:
    """The model that champion.json names. Raises KnownatError where its files are gone or not the promoted bytes."""
    champion = Champion.read(paths.CHAMPION)
    if champion is None:
        raise KnownatError(f"{paths.CHAMPION} is missing; promote a model first (`knownat promote`).")
    with tempfile.TemporaryDirectory(prefix="knownat-") as folder:
        model, encoder = champion.fetch(Path(folder))
        return _live(model, encoder, champion.files.model, champion.lineage, champion, settings)


def of_checkout(settings: ServingSettings) -> Live:
    """The model that lies in the workspace. Raises KnownatError where it is not the one that dvc.lock names."""
    from knownat.lock import LOCK, parse

    files = workspace_files()
    expected = parse(LOCK.read_text(encoding="utf-8")).outputs if LOCK.exists() else {}
    for path, found in ((paths.MODEL, files.model), (paths.ENCODER, files.encoder)):
        named = expected.get(path.as_posix())
        if named is None or named.hash != found:
            raise KnownatError(f"{path} is not the one that {LOCK} names; `dvc checkout {path}`, or run `dvc repro`.")
    return _live(paths.MODEL, paths.ENCODER, files.model, workspace_lineage(), None, settings)


def _live(
    model: Path, encoder: Path, version: str, lineage: str | None, champion: Champion | None, settings: ServingSettings
) -> Live:
    from knownat.declaration import span
    from knownat.model import load

    declaration, fitted = Declaration.read(paths.compiled("report")), Encoder.read(encoder)
    return Live(
        service=fitted.service,
        declaration=declaration,
        request=Request.of(declaration, fitted.service),
        inputs=Inputs(declaration, fitted, span(settings.stale_after)),
        forward=Forward(fitted, load(model, fitted)),
        champion=champion,
        version=version,
        lineage=lineage,
    )
