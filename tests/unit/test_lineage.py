"""One id for a model and what it was made from, the same from the files, from dvc.lock and on the card."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from knownat import paths
from knownat.errors import KnownatError
from knownat.lineage import COVERED, SECTIONS, lineage_id, workspace_lineage
from knownat.lock import lineage_in, parse
from tests.lineages import lock
from tests.projects import ROOT, run

HASHES = {path.as_posix(): f"{number:032x}" for number, path in enumerate(COVERED)}
PARAMS = {"service": "early", "split": {"test_from": "2019-09-01", "embargo": None}, "encode": {}, "train": {"layers": [8]}}


def test_the_id_changes_with_each_file_and_each_parameter_that_it_covers() -> None:
    """And with nothing else: neither the order of keys nor another section."""
    other = {**dict(reversed(HASHES.items())), "data/tables": "0"}, {"spark": {}, **dict(reversed(PARAMS.items()))}
    changed = [lineage_id(HASHES | {name: "f" * 32}, PARAMS) for name in HASHES]
    changed += [lineage_id(HASHES, PARAMS | {name: "other"}) for name in SECTIONS]
    assert lineage_id(HASHES, PARAMS) == lineage_id(*other)
    assert len({lineage_id(HASHES, PARAMS), *changed}) == 1 + len(HASHES) + len(SECTIONS)


def test_code_and_what_comes_after_the_model_do_not_change_the_id() -> None:
    """A refactoring that makes the same bytes makes the same model; another rate or other rows make another."""
    first = parse(lock()).lineage()
    assert first == parse(lock(code="tidied")).lineage() == parse(lock().replace("size: 7", "size: 8")).lineage()
    assert len({first, parse(lock(rate="0.01")).lineage(), parse(lock(raw="more")).lineage()}) == 3


@pytest.mark.parametrize("text", [lock(), lock(rate="1e-05"), (ROOT / "dvc.lock").read_text()], ids=["small", "float", "ours"])
def test_the_quick_way_to_the_id_gives_what_the_whole_lock_gives(text: str) -> None:
    """Which is what makes a long history quick to look through."""
    assert lineage_in(text) == parse(text).lineage() is not None


@pytest.mark.parametrize(
    "text", ["", "schema: '2.0'\n", "stages: [", "\x00", "stages:\n  train:\n    outs:\n    - path: models/model.keras\n"]
)
def test_what_names_no_whole_model_has_no_id(text: str) -> None:
    """An old lock, a half one or a damaged one in the history stops nobody."""
    assert lineage_in(text) is None


def test_a_damaged_lock_is_one_sentence() -> None:
    with pytest.raises(KnownatError, match=r"^dvc\.lock cannot be read; `git checkout dvc\.lock`"):
        parse("stages:\n  train: {cmd: x, outs: [{path: y}]}\n")


def test_a_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KnownatError, match=r"^data/verdicts/raw\.json is missing; run `dvc repro`"):
        workspace_lineage()


def test_files_and_lock_give_the_same_id_whatever_the_parameters_look_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC itself writes the lock: floats, nulls, Norway and texts that look like numbers come out the same."""
    (tmp_path / "params.yaml").write_text(
        "service: early\nsplit: {validation_from: '2016-01-01', test_from: '2016-07-01T09:30:00Z', embargo: }\n"
        "encode: {a: NO, b: 'null', c: '1_0', d: on, e: 0o17, f: '2016-01-01'}\n"
        "train: {learning_rate: 1e-3, l2: 1.0E-7, wide: 1.0, seed: 007, layers: [64, 1e22], is_on: true, conf: {x.y: [], z: {}}}\n"
    )
    stages = {
        path.stem + str(number): {"cmd": f"mkdir -p {path.parent} && echo {number} > {path}", "params": list(SECTIONS), "outs": [path.as_posix()]}
        for number, path in enumerate(COVERED)
    }  # fmt: skip
    (tmp_path / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "repro", "-q"]):
        done = run(tmp_path, *command)
        assert done.returncode == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    assert workspace_lineage() == lineage_in(Path("dvc.lock").read_text())
    assert paths.MODEL.read_text() == "4\n"
