"""`knownat lineage`: an id, a file or the model here is traced to its sources, and to the commits that hold it."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from knownat import tracing
from knownat.cli import app
from knownat.errors import KnownatError
from knownat.lineage_picture import as_svg
from knownat.lineage_text import as_json, as_text
from knownat.lock import lineage_in, parse
from knownat.tracing import trace
from tests.lineages import committed, git, lock, md5, repository

WAY = ["ingest@orders", "validate_raw", "preprocess", "validate_features", "retrieve", "encode", "train"]


def id_of(text: str) -> str:
    found = lineage_in(text)
    assert found
    return found


def subjects(what: str | None = None) -> list[str]:
    return [commit.subject for commit in trace(what).commits]


def refused(what: str | None = None) -> str:
    with pytest.raises(KnownatError) as caught:
        trace(what)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A first model, a README, another rate, and back; the last is the first again."""
    monkeypatch.chdir(tmp_path)
    repository(tmp_path)
    committed(tmp_path, "nothing yet")
    committed(tmp_path, "first", lock())
    (tmp_path / "README.md").write_text("words")
    committed(tmp_path, "only words")
    committed(tmp_path, "faster", lock(rate="0.01"))
    committed(tmp_path, "back", lock())
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_model_here_is_traced_to_its_sources() -> None:
    """Stage by stage, in the order in which they run, with the hash of each file; what comes after the model is left out."""
    found = trace()
    assert (found.file.path, found.lineage, found.is_here) == ("models/model.keras", id_of(lock()), True)
    assert [stage.name for stage in found.stages] == WAY
    assert [(file.path, file.hash) for file in found.sources] == [
        ("shop.csv", md5("raw\n")),
        ("expectations", f"{md5('suites')}.dir"),
    ]
    assert {stage.name: [file.path for file in found.kept(stage)] for stage in found.stages}["encode"] == [
        "data/encoded.parquet",
        "models/encoder.json",
    ]


@pytest.mark.usefixtures("project")
def test_an_id_is_looked_up_in_every_commit_that_holds_it() -> None:
    """Those that only changed words too, and another's id is another's."""
    assert subjects() == subjects(id_of(lock())) == ["first", "only words", "back"]
    other = trace(id_of(lock(rate="0.01"))[:8])
    assert [commit.subject for commit in other.commits] == ["faster"]
    assert (other.is_here, other.stages[-1].params) == (False, {"train": {"learning_rate": 0.01}})


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("asked", "path", "stages", "commits"),
    [
        ("data/views", "data/views", WAY[:3], ["first", "only words", "faster", "back"]),
        ("data/views/basket/part-00000.parquet", "data/views", WAY[:3], ["first", "only words", "faster", "back"]),
        ("./data/raw/../raw", "data/raw", WAY[:1], ["first", "only words", "faster", "back"]),
        ("shop.csv", "shop.csv", [], ["first", "only words", "faster", "back"]),
        ("report", "report", [*WAY, "report"], ["first", "only words", "back"]),
    ],
)
def test_any_file_or_folder_of_the_pipeline_is_traced(asked: str, path: str, stages: list[str], commits: list[str]) -> None:
    """A part of a tracked folder by the folder; its commits are those that hold this very content."""
    found = trace(asked)
    assert (found.file.path, found.lineage, [stage.name for stage in found.stages]) == (path, None, stages)
    assert [commit.subject for commit in found.commits] == commits


def test_a_file_is_found_by_an_absolute_path_too(project: Path) -> None:
    assert trace(str(project / "data/training_set.parquet")).file.path == "data/training_set.parquet"


def test_the_code_is_told_apart_from_the_data(project: Path) -> None:
    """Tidied code is another version of code and the same lineage; a person sees how many files, a machine each."""
    committed(project, "tidied", lock(code="tidied"))
    found = trace()
    assert [commit.subject for commit in found.commits] == ["first", "only words", "back", "tidied"]
    assert "code               1 files below src/" in as_text(found)
    assert found.stages[0].code[0].hash == md5("tidied")


@pytest.mark.usefixtures("project")
def test_what_git_does_not_hold_yet_is_said_to_be_so() -> None:
    """A fresh `dvc repro` can be traced before it is committed, by its id too."""
    Path("dvc.lock").write_text(lock(rate="0.02"))
    for what in (None, id_of(lock(rate="0.02"))):
        assert trace(what).is_here
        assert as_text(trace(what)).endswith("Held by no commit yet: commit dvc.lock.")


def test_tags_and_experiments_are_named(project: Path) -> None:
    """Also an experiment that is on no branch, as DVC keeps it; neither stashes nor DVC's own bookkeeping count."""
    base = git(project, "rev-parse", "HEAD").strip()
    git(project, "tag", "-a", "shop@v1.0.0", "-m", "x", f"{base}~1")
    tried = committed(project, "dvc: commit experiment", lock(rate="0.5"))
    aside = committed(project, "aside", lock(rate="0.6"))
    git(project, "reset", "-q", "--hard", base)
    git(project, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/slow-dog", tried)
    git(project, "update-ref", "refs/exps/exec/EXEC_HEAD", aside)
    found = as_json(trace(id_of(lock(rate="0.5"))))
    assert (found["experiments"], found["tags"]) == (["slow-dog"], [])
    assert "Tags: shop@v1.0.0" in as_text(trace(id_of(lock(rate="0.01"))))
    assert "No dvc.lock" in refused(id_of(lock(rate="0.6")))


def test_of_many_commits_the_first_and_the_last_are_listed(project: Path) -> None:
    for number in range(20):
        committed(project, f"words {number}")
    lines = as_text(trace()).splitlines()
    assert lines[-8] == "Held by 23 commits, of which the first and the last are:"
    assert [line.split("  ")[-1] for line in lines[-7:]] == ["first", "only words", "back", "…", "words 17", "words 18", "words 19"]


def test_an_odd_subject_is_one_line_of_its_own_commit(project: Path) -> None:
    """Form feeds, line separators, tabs and other scripts; and a signature that git is told to show is no commit."""
    git(project, "config", "log.showSignature", "true")
    committed(project, "a\fb\u2028c\td 東京")
    assert subjects()[-1] == "a\fb\u2028c\td 東京"


def test_a_project_in_a_folder_of_its_repository_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another project's lock beside it is another's; a damaged one in the past stops nobody."""
    repository(tmp_path)
    for name, text in (("shop", lock()), ("bakery", lock(raw="bread"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "dvc.lock").write_text(text)
    committed(tmp_path, "both")
    (tmp_path / "shop" / "dvc.lock").write_text("stages: [")
    committed(tmp_path, "damaged")
    (tmp_path / "shop" / "dvc.lock").write_text(lock())
    committed(tmp_path, "mended")
    monkeypatch.chdir(tmp_path / "shop")
    assert subjects() == subjects(id_of(lock())) == ["both", "mended"]
    assert "No dvc.lock" in refused(id_of(lock(raw="bread")))


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        (
            "0123456789ab",
            "No dvc.lock in git's history here gives the lineage id 0123456789ab; check it, or `git fetch --all --tags`.",
        ),
        ("README.md", "README.md is no file that dvc.lock names; `dvc dag --outs` lists what is tracked."),
        ("models", "models is no file that dvc.lock names; name one of models/encoder.json, models/model.keras."),
        ("model/model.keras", "model/model.keras is no file that dvc.lock names; name one of models/model.keras"),
        ("../elsewhere.csv", "../elsewhere.csv is no file that dvc.lock names"),
        ("https://x.test/a.csv", "https://x.test/a.csv is no file that dvc.lock names"),
    ],
)
def test_what_is_not_tracked_is_one_sentence(what: str, sentence: str) -> None:
    """With what is near, or where to look."""
    assert refused(what).startswith(sentence)


def test_a_prefix_of_several_ids_names_them(project: Path) -> None:
    """A million rates would be needed for 8 digits: the ids of two are cut to what they share by the search itself."""
    names = sorted(id_of(lock(rate=f"0.{number}")) for number in range(1, 20))
    for number in range(1, 20):
        committed(project, str(number), lock(rate=f"0.{number}"))
    first = next(name[0] for name, other in pairwise(names) if name[0] == other[0])
    with pytest.raises(KnownatError, match=r"begins \d+ lineage ids: .*; write more of its digits"):
        tracing._of_id(first)


def test_a_shallow_clone_says_where_the_rest_is(
    project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path_factory.mktemp("shallow") / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", project.as_uri(), str(folder)], check=True)
    monkeypatch.chdir(folder)
    assert refused(id_of(lock(rate="0.01"))).endswith("`git fetch --unshallow`, since this clone is shallow.")


def test_without_a_lock_or_git_one_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without git itself too, and in a repository without a commit."""
    monkeypatch.chdir(tmp_path)
    assert refused() == "There is no dvc.lock here; run this where dvc.yaml lies, after `dvc repro`."
    (tmp_path / "dvc.lock").write_text(lock())
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert refused() == "This folder is in no git repository, where lineage is looked up; run it in a clone of the project."
    repository(tmp_path)
    assert trace().commits == ()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert refused() == "git cannot be run, and lineage is looked up in it; install git."


@pytest.mark.usefixtures("project")
def test_the_picture_stands_by_itself() -> None:
    """Well-formed, without anything from elsewhere, with each stage, and the file that was asked about marked."""
    root = ET.fromstring(as_svg(trace()))
    space = "{http://www.w3.org/2000/svg}"
    titles = [found.text for found in root.iter(f"{space}tspan") if found.get("class") == "name"]
    assert titles == ["source", "source", *WAY]
    [asked] = [group for group in root if group.get("class") == "asked"]
    assert "models/model.keras" in [found.text for found in asked.iter(f"{space}tspan")]
    assert not [found for found in root.iter() if found.get("href") or found.tag.endswith("image")]


@pytest.mark.usefixtures("project")
def test_a_source_has_a_picture_too() -> None:
    assert ET.fromstring(as_svg(trace("shop.csv"))).tag.endswith("svg")


def asked(*words: str) -> Result:
    return CliRunner().invoke(app, ["lineage", *words])


@pytest.mark.usefixtures("project")
def test_the_command_prints_text_json_and_a_picture() -> None:
    """The same facts in each; they exclude each other."""
    found = json.loads(asked("--json").stdout)
    assert (found["lineage"], found["file"]["path"]) == (id_of(lock()), "models/model.keras")
    assert [stage["stage"] for stage in found["stages"]] == WAY
    assert found["stages"][-1]["params"] == {"train": {"learning_rate": 0.003}}
    assert (found["commits"]["count"], found["commits"]["first"][0]["subject"]) == (3, "first")
    assert f"lineage {id_of(lock())}" in asked().stdout
    assert "  encode.basket__price: log\n" in asked().stdout
    assert asked("--svg").stdout.startswith("<svg")
    assert "exclude each other" in str(asked("--svg", "--json").exception)


def test_whatever_a_lock_holds_its_way_ends() -> None:
    """Stages that read what they make themselves, or each other's, are each told once."""
    text = "stages:\n  a: {cmd: x, deps: [{path: two, md5: '2'}], outs: [{path: one, md5: '1'}]}\n"
    text += "  b: {cmd: x, deps: [{path: one, md5: '1'}], outs: [{path: two, md5: '2'}]}\n"
    assert [stage.name for stage in parse(text).way_to("one")] == ["b", "a"]
