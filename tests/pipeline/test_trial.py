"""`knownat try` on the second data set: a share of its entities, in a copy; the project stays as it was."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tests.projects import run

pytestmark = pytest.mark.full


def contents(folder: Path) -> dict[str, str]:
    """Every file of the workspace, what git and DVC keep for themselves left out."""
    files = [
        f for f in sorted(folder.rglob("*")) if f.is_file() and not {".git", "tmp", "cache"} & set(f.relative_to(folder).parts)
    ]
    return {f.relative_to(folder).as_posix(): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def test_a_trial_tells_its_scores_and_leaves_the_workspace_alone(deliveries: Path) -> None:
    """An edit that is not committed, a new view that git does not know and a source outside the project come along."""
    outside = deliveries.parent / "elsewhere.csv"
    outside.write_bytes((deliveries / "deliveries.csv").read_bytes())
    params = deliveries / "params.yaml"
    params.write_text(params.read_text().replace("uri: deliveries.csv", "uri: ../elsewhere.csv"))
    view = "entity: shipment\nknown_at: ordered_at\ntable: deliveries\nfeatures:\n  heavy: {dtype: bool, expr: weight_g > 1000}\n"
    (deliveries / "feature_repo" / "views" / "weight.yaml").write_text(view)
    before = contents(deliveries)
    done = run(deliveries, "knownat", "try", "--share", "0.6", "-S", "train.epochs=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test AUC 0." in done.stdout
    kept = int(done.stdout.split("Rows kept: deliveries ")[1].split()[0])
    assert 300 < kept < 420
    name = done.stdout.split("It is the experiment ")[1].split(":")[0]
    assert contents(deliveries) == before
    shown = run(deliveries, "git", "show", f"{revision(deliveries, name)}:params.yaml").stdout
    assert "subset: 0.6" in shown
    assert "epochs: 2" in shown
    registry = run(deliveries, "git", "show", f"{revision(deliveries, name)}:feature_repo/registry.json").stdout
    assert "weight" in registry


def revision(folder: Path, name: str) -> str:
    refs = run(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    return next(ref for ref in refs if ref.endswith(f"/{name}"))


def test_a_trial_that_fails_says_why_and_exits_with_1(deliveries: Path) -> None:
    """The stage's own sentence, and nothing has changed."""
    before = contents(deliveries)
    done = run(deliveries, "knownat", "try", "--share", "0.6", "-S", "preprocess.filters=[no_such_filter]")
    assert done.returncode == 1
    assert "there is no filter 'no_such_filter'" in done.stdout + done.stderr
    assert "The trial failed" in done.stderr
    assert contents(deliveries) == before
