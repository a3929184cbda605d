"""What dvc.lock and the run cache name, folder files included, without what git keeps."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

from knownat.errors import KnownatError
from knownat.objects import of_the_lock, of_the_run_cache, path_of

CACHE = Path(".dvc/cache/files/md5")


def kept(content: bytes, end: str = "") -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + end
    path_of(CACHE, md5).parent.mkdir(parents=True, exist_ok=True)
    path_of(CACHE, md5).write_bytes(content)
    return md5


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A project with a file, a folder of one file, and a metric that git keeps; output → md5."""
    monkeypatch.chdir(tmp_path)
    inner = kept(b"row")
    found = {
        "a.csv": kept(b"a"),
        "views": kept(json.dumps([{"md5": inner, "relpath": "x/part"}]).encode(), ".dir"),
        "views/x/part": inner,
        "scores.json": kept(b"{}"),
    }
    stage = {"cmd": "make", "outs": [{"path": name, "md5": found[name]} for name in ("a.csv", "views", "scores.json")]}
    Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"make": stage}}))
    declared = {"cmd": "make", "outs": ["a.csv", "views"], "metrics": [{"scores.json": {"cache": False}}]}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"make": declared}}))
    run = Path(".dvc/cache/runs/ab") / ("ab" * 32) / ("cd" * 32)
    run.parent.mkdir(parents=True)
    run.write_text(yaml.safe_dump(stage))
    return found


def test_the_lock_names_files_and_what_folders_hold(outputs: dict[str, str]) -> None:
    """Each by its md5, but for what git has."""
    assert of_the_lock(CACHE) == {md5: name for name, md5 in outputs.items() if name != "scores.json"}


def test_the_run_cache_names_what_git_keeps_too(outputs: dict[str, str]) -> None:
    """Its runs are restored as a whole."""
    assert of_the_run_cache(CACHE) == {md5: name for name, md5 in outputs.items()}


@pytest.mark.parametrize("content", [b"", b"[{", b'{"a": 1}', b'[{"relpath": "x"}]', b"\xff"])
def test_a_damaged_listing_names_nothing(outputs: dict[str, str], content: bytes) -> None:
    """Whoever compares bytes with names says so; the rest is still named."""
    path_of(CACHE, outputs["views"]).write_bytes(content)
    assert set(of_the_lock(CACHE).values()) == {"a.csv", "views"}


def test_a_lock_that_is_missing_or_damaged_is_one_sentence(outputs: dict[str, str]) -> None:
    """With the remedy."""
    assert outputs
    Path("dvc.lock").write_text("stages: {a: [")
    with pytest.raises(KnownatError, match=r"dvc\.lock is damaged .*git checkout dvc\.lock"):
        of_the_lock(CACHE)
    Path("dvc.lock").unlink()
    with pytest.raises(KnownatError, match=r"dvc\.lock is missing; run `dvc repro`"):
        of_the_lock(CACHE)
