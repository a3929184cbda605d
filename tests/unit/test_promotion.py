"""`knownat promote`: a worse model does not replace a better one, and what cannot be judged is said."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import Result
from dvc.repo import Repo
from typer.testing import CliRunner

from knownat import paths
from knownat.cli import app
from knownat.errors import KnownatError
from knownat.files import write_json
from knownat.lineage import workspace_lineage
from knownat.stages import train
from tests.modelling import passed, project, training_set
from tests.projects import commit
from tests.unit.test_champion import md5, put
from tests.unit.test_train import ENCODER, encoded

PIPELINE = """
stages:
  gates: {cmd: 'true', outs: [data/verdicts/raw.json, data/verdicts/features.json]}
  retrieve: {cmd: 'true', params: [service, split], outs: [data/training_set.parquet]}
  encode: {cmd: 'true', deps: [data/training_set.parquet], params: [encode], outs: [models/encoder.json]}
  train: {cmd: 'true', deps: [models/encoder.json], params: [train], outs: [models/model.keras]}
"""
SETTINGS = "evaluate: {slices: [basket__shop]}\npromote: {min_rows: 8, max_slice_auc_loss: 1}\n"
SPLITS = ["train"] * 200 + ["validation"] * 100 + ["test"] * 100
KEPT = training_set()["is_kept"].to_numpy(zero_copy_only=False)


def trained(folder: Path, epochs: int, **columns: Any) -> bytes:
    encoded(folder, **columns)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 3, patience: 2", f"epochs: {epochs}, patience: {epochs}"))
    train.main()
    return (folder / paths.MODEL).read_bytes()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """One that was trained enough, one that was not, and one that was taught the opposite."""
    folder = tmp_path_factory.mktemp("models")
    opposite = {"is_kept=false": KEPT.astype("float32"), "is_kept=true": (~KEPT).astype("float32")}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return {"good": trained(folder, 10), "worse": trained(folder, 1), "opposite": trained(folder, 10, **opposite)}


@pytest.fixture(scope="module")
def made(models: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with git and DVC, whose good model is the champion."""
    folder = tmp_path_factory.mktemp("promotion")
    project(folder, training_set())
    params = (folder / "params.yaml").read_text()  # DVC reads no date that is not quoted
    (folder / "params.yaml").write_text(re.sub(r"(\d{4}-\d\d-\d\d)", r"'\1'", params) + SETTINGS)
    (folder / "dvc.yaml").write_text(PIPELINE)
    (folder / ".gitignore").write_text("/data/\n/models/\n/compiled/\n")
    (folder / paths.ENCODER).parent.mkdir()
    (folder / paths.ENCODER).write_text(ENCODER.model_dump_json())
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    Repo.init(str(folder)).close()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        hold(models["good"])
        assert promote().exit_code == 0
    commit(folder)
    return folder


@pytest.fixture(autouse=True)
def workspace(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shutil.copytree(made, tmp_path / "project"))


def hold(model: bytes | None = None, rows: pa.Table | None = None) -> None:
    """Make a model or a training set what dvc.lock says, as if the pipeline had just made it."""
    if model is not None:
        paths.MODEL.write_bytes(model)
    if rows is not None:
        pq.write_table(rows, paths.TRAINING_SET)
        passed(Path())
    with Repo(".") as repo:
        repo.commit(force=True)


def promote(*options: str) -> Result:
    return CliRunner().invoke(app, ["promote", *options])


def refusal() -> str:
    error = promote().exception
    assert isinstance(error, KnownatError)
    return str(error)


def champion(**changes: Any) -> dict[str, Any]:
    """What champion.json holds, with some of it changed on disk."""
    found: dict[str, Any] = json.loads(paths.CHAMPION.read_text())
    if changes:
        write_json(paths.CHAMPION, found | changes)
    return found


def setting(old: str, new: str) -> None:
    params = Path("params.yaml")
    assert old in params.read_text()
    params.write_text(params.read_text().replace(old, new))


def test_the_first_model_becomes_the_champion_by_its_hashes() -> None:
    """With its scores and what it has not seen; nothing else is left behind."""
    paths.CHAMPION.unlink()
    done = promote()
    assert done.exit_code == 0, done.output
    assert "There is no champion yet.\nOn 100 test rows:\n  AUC: 0." in done.stdout
    assert "Promoted. Commit champion.json with dvc.lock, and `dvc push`." in done.stdout
    found = champion()
    assert found["lineage"] == workspace_lineage()
    assert found["files"] == {"model": md5(paths.MODEL.read_bytes()), "encoder": md5(paths.ENCODER.read_bytes())}
    assert found["unseen_from"] == "2019-01-13T12:00:00Z"
    assert found["standing"]["rows"] == 100
    assert {part["name"] for part in found["standing"]["slices"]} > {"basket__shop = shop 3"}
    assert not [path for path in Path().iterdir() if path.name.startswith(".champion")]


def test_the_champion_itself_is_neither_judged_nor_written() -> None:
    before = paths.CHAMPION.stat()  # a file that is written anew is another
    done = promote()
    assert (done.exit_code, done.stdout) == (0, "This model is the champion of service 'early' already.\n")
    assert paths.CHAMPION.stat().st_ino == before.st_ino


def test_a_worse_model_is_refused_with_its_reasons(models: dict[str, bytes]) -> None:
    """Exit 1, and the champion stays; the other way round the better one replaces it."""
    before = paths.CHAMPION.read_bytes()
    hold(models["worse"])
    done = promote()
    assert done.exit_code == 1
    assert "On 100 test rows that neither has learned from, champion → challenger:\n  AUC: 0." in done.stdout
    assert "Not promoted. Its AUC is worse by 0." in done.stderr
    assert "Not promoted. Its log loss is worse by 0." in done.stderr
    assert paths.CHAMPION.read_bytes() == before
    assert promote("--uncompared").exit_code == 1
    paths.CHAMPION.unlink()
    setting("max_slice_auc_loss: 1", "max_slice_auc_loss: 1, max_log_loss_gain: 1")
    assert promote().exit_code == 0
    hold(models["good"])
    assert promote().exit_code == 0
    assert champion()["files"]["model"] == md5(models["good"])


def test_a_model_that_loses_in_one_slice_is_refused_by_its_name(models: dict[str, bytes]) -> None:
    """Whatever it does elsewhere."""
    hold(models["worse"])
    setting("max_slice_auc_loss: 1", "max_slice_auc_loss: 0, max_auc_loss: 1, max_log_loss_gain: 9")
    done = promote()
    assert done.exit_code == 1
    assert "Not promoted. Its AUC of basket__shop = shop " in done.stderr
    assert all("promote.max_slice_auc_loss allows 0.0" in line for line in done.stderr.splitlines())


def test_check_tells_the_same_and_writes_nothing(models: dict[str, bytes]) -> None:
    """Whether the model would be promoted or refused."""
    hold(models["worse"])
    before = paths.CHAMPION.read_bytes()
    checked, done = promote("--check"), promote()
    assert (checked.exit_code, checked.output) == (done.exit_code, done.output)
    assert paths.CHAMPION.read_bytes() == before
    hold(models["good"])
    paths.CHAMPION.unlink()
    done = promote("--check")
    assert done.exit_code == 0
    assert done.stdout.endswith("It would be promoted.\n")
    assert not paths.CHAMPION.exists()


def test_a_model_that_tells_nothing_is_not_even_the_first_champion(models: dict[str, bytes]) -> None:
    """Nor with --uncompared."""
    paths.CHAMPION.unlink()
    hold(models["opposite"])
    for options in ([], ["--uncompared"]):
        done = promote(*options)
        assert done.exit_code == 1
        assert "Not promoted. It tells nothing: AUC 0." in done.stderr
    assert not paths.CHAMPION.exists()


def encoder(**changes: Any) -> Callable[[], None]:
    """A champion that has another encoder, in the cache as a whole file."""
    content = json.loads(ENCODER.model_dump_json())
    for name, value in changes.items():
        content = content | {name: value} if name == "label" else content | {"inputs": [content["inputs"][0] | {name: value}]}

    def change() -> None:
        text = json.dumps(content).encode()
        put(".dvc/cache", text)
        champion(files=champion()["files"] | {"encoder": md5(text)})

    return change


def gone() -> None:
    shutil.rmtree(".dvc/cache/files/md5")
    with Repo(".") as repo:
        repo.commit(force=True)


INCOMPARABLE = {
    "its model is gone": (gone, "The champion's models/model.keras is not to be had"),
    "another service": (lambda: champion(service="late"), "The champion serves 'late', this model 'early'"),
    "it has seen all": (
        lambda: champion(unseen_from="2019-01-17T09:00:00Z"),
        "No fair comparison: of 100 test rows, 7 are from 2019-01-17 on",
    ),
    "an input renamed": (encoder(name="basket__cost"), "reads basket__cost, which today's training set does not have"),
    "an input of another type": (encoder(dtype="int64"), "reads basket__price as int64; today it is float64"),
    "another label": (encoder(label="is_lost"), "The champion foretells is_lost, this model is_kept"),
    "another model's encoder": (encoder(has_missing=True), "The champion's files are whole, but today's code cannot run them"),
    "an encoder of old": (encoder(kind="cube"), "The champion's files are whole, but today's code cannot run them"),
}


@pytest.mark.parametrize("change", INCOMPARABLE)
def test_a_champion_that_cannot_be_judged_gives_way_only_on_demand(change: str, models: dict[str, bytes]) -> None:
    """Exit 1 with the sentence that says why; --uncompared says it too, and promotes."""
    do, sentence = INCOMPARABLE[change]
    hold(models["worse"])
    setting("max_slice_auc_loss: 1", "max_slice_auc_loss: 1, max_log_loss_gain: 1")
    do()
    before = paths.CHAMPION.read_bytes()
    done = promote()
    assert done.exit_code == 1
    assert sentence in done.stdout
    assert done.stderr == "Not promoted. Nothing was compared; --uncompared promotes it all the same.\n"
    assert paths.CHAMPION.read_bytes() == before
    done = promote("--uncompared")
    assert done.exit_code == 0, done.output
    assert sentence in done.stdout
    assert champion()["files"]["model"] == md5(models["worse"])


@pytest.mark.parametrize(("first", "judged"), [(250, 100), (300, 100), (340, 60)])
def test_only_rows_that_neither_has_learned_from_are_judged(first: int, judged: int, models: dict[str, bytes]) -> None:
    """Whether test starts earlier than when the champion was promoted, at the same time, or later."""
    splits = ["train"] * 200 + ["validation"] * (first - 200) + ["test"] * (400 - first)
    hold(models["worse"], training_set(split=splits))
    setting("min_rows: 8", "min_rows: 60")
    assert f"On {judged} test rows that neither has learned from" in promote().stdout


def edited_model() -> None:
    paths.MODEL.write_bytes(paths.MODEL.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (edited_model, "What is here is not what dvc.lock says (train: models/model.keras); run `dvc repro` first."),
        (lambda: setting("'2019-09-01'", "'2019-08-01'"), "(retrieve: params.yaml split)"),
        (lambda: setting("epochs: 3", "epochs: 4"), "(train: params.yaml train"),
        (lambda: pq.write_table(training_set(399), paths.TRAINING_SET), "(encode: data/training_set.parquet; retrieve: "),
        (paths.ENCODER.unlink, "models/encoder.json is missing; run `dvc repro` (or `dvc pull`) first."),
        (paths.verdict("training_set").unlink, "The gate 'training_set' has not passed"),
        (lambda: Path("dvc.yaml").write_text("stages: ["), "DVC cannot tell whether the model is what the pipeline makes"),
        (lambda: shutil.rmtree(".dvc"), "DVC cannot tell whether the model is what the pipeline makes"),
        (lambda: paths.CHAMPION.write_text("{"), "champion.json is damaged"),
        (lambda: setting("basket__shop]}", "basket__shops]}"), "has no input 'basket__shops'; did you mean 'basket__shop'?"),
    ],
)
def test_what_the_pipeline_did_not_make_is_refused_by_name(
    change: Callable[[], None], sentence: str, models: dict[str, bytes]
) -> None:
    """One sentence with the remedy; the champion stays."""
    hold(models["worse"])
    before = champion()
    change()
    assert sentence in refusal()
    if "damaged" not in sentence:
        assert champion() == before


def test_test_rows_of_one_label_judge_nothing(models: dict[str, bytes]) -> None:
    """As evaluate says it."""
    rows = training_set(is_kept=[*KEPT[:300].tolist(), *[True] * 100])
    hold(models["worse"], rows)
    assert "all rows of test have the label true; move split.test_from" in refusal()


def test_a_model_that_foretells_no_number_is_refused() -> None:
    """Weights that ran away while it was trained are not compared with anything."""
    from knownat.canonical import save
    from knownat.model import load

    model = load(paths.MODEL, ENCODER)
    model.set_weights([weights * np.nan for weights in model.get_weights()])
    save(model, paths.MODEL)
    hold()
    assert "models/model.keras foretells what is no number" in refusal()
