"""The champion's files come from the cache or the remote as they were promoted, or one sentence says why not."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dvc.repo import Repo

from knownat.champion import Champion, Files
from knownat.errors import KnownatError
from knownat.standing import Standing

MODEL, ENCODER = b"a model", b"an encoder"
STANDING = Standing(rows=9, auc=0.7, log_loss=0.6, slices=[])


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


FILES = Files(model=md5(MODEL), encoder=md5(ENCODER))
CHAMPION = Champion(
    service="early", files=FILES, training_set="0" * 64, unseen_from=datetime(2019, 1, 13, tzinfo=UTC), standing=STANDING
)


def put(store: str, content: bytes, key: bytes | None = None) -> None:
    """An object as DVC keeps it, under the hash of `key` where that is another's."""
    name = md5(content if key is None else key)
    path = Path(store) / "files" / "md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def remote(url: str, *more: str) -> None:
    lines = ["[core]", "remote = storage", "['remote \"storage\"']", f"url = {url}", *more]
    Path(".dvc/config").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty")
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    Repo.init(str(folder)).close()
    return folder


@pytest.fixture(autouse=True)
def repository(empty: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository whose cache holds the champion's encoder, with an empty remote beside it and no credentials anywhere."""
    monkeypatch.chdir(shutil.copytree(empty, tmp_path / "project"))
    remote("../../remote")
    put(".dvc/cache", ENCODER)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    (tmp_path / "fetched").mkdir()


def fetched() -> tuple[bytes, bytes]:
    model, encoder = CHAMPION.fetch(Path("../fetched"))
    return model.read_bytes(), encoder.read_bytes()


def test_a_champion_that_was_written_reads_back_the_same() -> None:
    """Its times, hashes and scores; and where there is none, there is none."""
    assert Champion.read(Path("champion.json")) is None
    CHAMPION.write(Path("champion.json"))
    assert Champion.read(Path("champion.json")) == CHAMPION


@pytest.mark.parametrize(
    ("old", "new"),
    [("{", ""), ('"early"', "7"), (FILES.model, "../../etc"), ('"service"', '"servise"'), ("T00:00:00Z", "T00:00:00")],
)
def test_a_damaged_champion_is_refused_with_the_remedy(old: str, new: str) -> None:
    """Cut off, of another type, with what is no hash, misspelt, or with a time without its zone."""
    text = CHAMPION.model_dump_json()
    assert old in text
    Path("champion.json").write_text(text.replace(old, new, 1))
    with pytest.raises(KnownatError, match=r"^champion\.json is damaged; `git checkout champion\.json`"):
        Champion.read(Path("champion.json"))


def test_what_is_no_text_is_a_damaged_champion() -> None:
    Path("champion.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(KnownatError, match="is damaged"):
        Champion.read(Path("champion.json"))


def test_files_come_from_the_cache_and_else_from_the_remote() -> None:
    """With an empty cache the remote alone is enough, and without a remote the cache is."""
    put("../remote", MODEL)
    assert fetched() == (MODEL, ENCODER)
    put(".dvc/cache", MODEL)
    Path(".dvc/config").write_text("")
    assert fetched() == (MODEL, ENCODER)


def test_a_file_that_the_cache_holds_damaged_comes_from_the_remote() -> None:
    """The cache stays as it was: nothing is mended in passing."""
    put(".dvc/cache", b"cut", key=MODEL)
    put("../remote", MODEL)
    assert fetched() == (MODEL, ENCODER)


@pytest.mark.parametrize(
    ("objects", "sentence"),
    [
        ({}, "the cache does not hold it, the remote does not hold it; `dvc push` it"),
        ({"../remote": b"cut"}, "the cache does not hold it, the remote holds it damaged; `dvc push` it"),
        ({".dvc/cache": b"cut"}, "the cache holds it damaged, the remote does not hold it; `dvc push` it"),
    ],
)
def test_a_file_that_is_nowhere_whole_is_said_to_be(objects: dict[str, bytes], sentence: str) -> None:
    """By its path and hash, and what either store has of it."""
    for store, content in objects.items():
        put(store, content, key=MODEL)
    with pytest.raises(KnownatError) as caught:
        fetched()
    assert str(caught.value).startswith(f"The champion's models/model.keras is not to be had: {sentence} ({FILES.model})")


@pytest.mark.parametrize(
    ("url", "more", "why"),
    [
        ("s3://knownat/dvc", (), "There are no credentials for s3://knownat"),
        ("s3://knownat/dvc", ("endpointurl = http://127.0.0.1:9", "access_key_id = a", "secret_access_key = b"), "does not answer"),
        ("gs://knownat/dvc", (), "dvc-gs"),
    ],
)
def test_a_remote_that_cannot_be_asked_is_one_sentence(url: str, more: tuple[str, ...], why: str) -> None:
    """Without credentials, a server, or what its protocol needs."""
    remote(url, *more)
    with pytest.raises(KnownatError, match="the cache does not hold it, the remote cannot be read") as caught:
        fetched()
    assert why in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_a_configured_remote_the_sentence_says_so() -> None:
    Path(".dvc/config").write_text("")
    with pytest.raises(KnownatError, match=r"the remote cannot be read \(No remote is set"):
        fetched()
