"""Register the declared features in Feast, once the stored ones are seen to be what is declared."""

from __future__ import annotations

from pathlib import Path

from knownat import parquet, paths
from knownat.console import Counts, run_stage
from knownat.declaration import Declaration, FeatureView, stored_key
from knownat.errors import KnownatError
from knownat.files import write_json
from knownat.gates import data_of, require

ARROW = {"string": "string", "int64": "int64", "float64": "double", "bool": "bool"}


def main() -> Counts:
    declaration = Declaration.read(paths.compiled("register"))
    require("features", data_of("features"))
    for view in declaration.feature_views.values():
        compare(view, paths.VIEWS / view.name)
    from knownat.feature_store import apply_afresh, dump

    content = dump(apply_afresh(declaration))
    write_json(paths.REGISTRY_DUMP, content)
    return {kind: len(objects) for kind, objects in content.items()}


def compare(view: FeatureView, folder: Path) -> None:
    """Feast itself would accept a column that is missing or of another dtype, and serve it wrongly."""
    found = {field.name: str(field.type) for field in parquet.schema(folder)}
    wanted = {view.join_key: "string", "known_at": "timestamp[us, tz=UTC]"}
    wanted |= {f.name: ARROW[f.dtype] for f in view.features} | {stored_key(e): "string" for e in view.keys}
    odd = [f"{c} is {found.get(c, 'missing')} instead of {kind}" for c, kind in wanted.items() if found.get(c) != kind]
    odd += [f"{c} is not declared" for c in found if c not in wanted]
    if odd:
        raise KnownatError(f"{folder}: {'; '.join(odd)}; run `dvc repro preprocess` to write it as declared.")


if __name__ == "__main__":
    run_stage("register", main)
